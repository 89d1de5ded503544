"""Options of QEMU that people will try and that we have not: what to say, or to do instead."""

NO_NETWORK = "there is no network adapter"
NO_WINDOW = "the screen is shown in the terminal (-display curses) or written by the monitor's screendump"
NO_SNAPSHOTS = "a machine's state cannot be saved yet"
NO_SOUND = "there is no sound but the PC speaker's port"
NO_USB = "there is no USB controller; keyboard and mouse are PS/2"
NO_KVM = "guest code is always translated (-accel help)"

ABSENT = {
    **dict.fromkeys(("net", "netdev", "nic", "redir", "tftp", "bootp", "smb"), NO_NETWORK),
    **dict.fromkeys(("vnc", "sdl", "spice", "full-screen", "no-frame", "alt-grab", "ctrl-grab"), NO_WINDOW),
    **dict.fromkeys(("curses",), "write -display curses"),
    **dict.fromkeys(("loadvm", "incoming"), NO_SNAPSHOTS),
    **dict.fromkeys(("soundhw", "audiodev", "audio", "audio-help"), NO_SOUND),
    **dict.fromkeys(("usb", "usbdevice"), NO_USB),
    **dict.fromkeys(("enable-kvm", "no-kvm", "no-kvm-irqchip"), NO_KVM),
    **dict.fromkeys(("daemonize", "pidfile", "runas", "chroot"), "start it with nohup, setsid or a service manager"),
    **dict.fromkeys(("qmp", "mon"), "write -monitor DEV, or use qemu_py.Machine from Python"),
}
