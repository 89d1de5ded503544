"""Floppy disk drives and their media, as the controller sees them.

The format follows from the image's size: 160 KiB to 2.88 MiB and the usual formats with more sectors.
An image of another size is taken for the smallest of the PC's own formats that holds it; what lies
beyond its end cannot be read.
"""
from qemu_py.util.dataclass import dataclass

SECTOR = 512
RATE_500, RATE_300, RATE_250, RATE_1000 = range(4)      # data rates in kbit/s, as DSR and CCR code them
NO_DRIVE, DRIVE_360K, DRIVE_1200K, DRIVE_720K, DRIVE_1440K, DRIVE_2880K = range(6)      # as in the CMOS RAM
LAST_TRACK = 83


@dataclass(frozen=True)
class Format:
    tracks: int
    heads: int
    sectors: int
    rate: int
    drive: int                          # the drive that a PC would have for it

    @property
    def size(self):
        return self.tracks * self.heads * self.sectors * SECTOR


FORMATS = tuple(Format(*row) for row in (
    (40, 1, 8, RATE_250, DRIVE_360K), (40, 1, 9, RATE_250, DRIVE_360K),
    (40, 2, 8, RATE_250, DRIVE_360K), (40, 2, 9, RATE_250, DRIVE_360K),
    (80, 2, 9, RATE_250, DRIVE_720K), (80, 2, 15, RATE_500, DRIVE_1200K),
    (80, 2, 18, RATE_500, DRIVE_1440K), (80, 2, 36, RATE_1000, DRIVE_2880K)))
UNUSUAL = tuple(Format(*row) for row in (
    (80, 2, 10, RATE_250, DRIVE_720K), (82, 2, 10, RATE_250, DRIVE_720K), (83, 2, 10, RATE_250, DRIVE_720K),
    (80, 2, 20, RATE_500, DRIVE_1440K), (80, 2, 21, RATE_500, DRIVE_1440K), (82, 2, 21, RATE_500, DRIVE_1440K),
    (83, 2, 21, RATE_500, DRIVE_1440K), (80, 2, 22, RATE_500, DRIVE_1440K), (80, 2, 23, RATE_500, DRIVE_1440K),
    (80, 2, 24, RATE_500, DRIVE_1440K), (80, 2, 39, RATE_1000, DRIVE_2880K), (80, 2, 40, RATE_1000, DRIVE_2880K),
    (80, 2, 44, RATE_1000, DRIVE_2880K), (80, 2, 48, RATE_1000, DRIVE_2880K)))


def format_of(size):
    """The Format of an image of that many bytes, or None: no diskette is that large."""
    for form in FORMATS + UNUSUAL:
        if form.size == size:
            return form
    return next((form for form in FORMATS[-2:] if 0 < size < form.size), None)


def drive_type(backend):
    """What the CMOS RAM says of a drive: as its first medium needs it, else 1.44 MiB; 0 for none."""
    if backend is None:
        return NO_DRIVE
    form = format_of(backend.size) if backend.inserted else None
    return form.drive if form is not None else DRIVE_1440K


@dataclass
class DriveState:
    VERSION = 1
    track: int = 0
    changed: bool = True                # the medium, since the last step
    rotation: int = 0                   # the sector that has just passed


class FloppyDrive:
    """`backend`: a BlockBackend, or None for a place without a drive."""

    def __init__(self, backend):
        self.backend = backend
        self.s = DriveState()
        if backend is not None:
            backend.media_changed = self.media_changed

    def media_changed(self):
        self.s.changed = True

    @property
    def track(self):
        return self.s.track

    @property
    def present(self):
        return self.backend is not None

    @property
    def inserted(self):
        return self.backend is not None and self.backend.inserted

    @property
    def form(self):
        return format_of(self.backend.size) if self.inserted else None

    @property
    def sectors(self):
        form = self.form
        return form.sectors if form is not None else 0

    @property
    def heads(self):
        form = self.form
        return form.heads if form is not None else 0

    @property
    def write_protected(self):
        return self.inserted and self.backend.read_only

    @property
    def disk_change(self):
        """The DSKCHG line."""
        return self.present and (self.s.changed or not self.inserted)

    def step_to(self, cylinder):
        """Move the heads. The first step with a medium in the drive takes DSKCHG back."""
        if self.inserted and (cylinder != self.s.track or cylinder == 0):
            self.s.changed = False
        self.s.track = min(cylinder, LAST_TRACK)

    def readable(self, rate, mfm, head):
        """Are there address marks under that head, at that data rate?"""
        form = self.form
        return bool(form is not None and mfm and rate == form.rate and head < form.heads and self.track < form.tracks)

    def next_sector(self):
        """The number of the sector that comes along next."""
        self.s.rotation = self.s.rotation % self.sectors + 1
        return self.s.rotation

    def offset(self, track, head, sector):
        form = self.form
        return ((track * form.heads + head) * form.sectors + sector - 1) * SECTOR
