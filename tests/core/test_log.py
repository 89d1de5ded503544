"""The log's categories, and the errors of -d and -D."""
import pytest

from qemu_py.util import log
from qemu_py.util.errors import UserError


@pytest.fixture(autouse=True)
def quiet_afterwards():
    yield
    log.cpu_set_log(0)
    log.cpu_set_log_filename(None)


def test_a_comma_list_names_categories():
    assert log.cpu_str_to_log_mask("in_asm") == 1 << 1
    assert log.cpu_str_to_log_mask("in_asm,op,int") == 1 << 1 | 1 << 2 | 1 << 4
    assert log.cpu_str_to_log_mask("none") == 0
    assert log.cpu_str_to_log_mask("all") & log.LOG_GUEST_ERROR


@pytest.mark.parametrize("text", ["in_asn", "", "in_asm,", "in_asm op"])
def test_an_unknown_name_is_an_error_that_lists_the_names(text):
    with pytest.raises(UserError) as error:
        log.cpu_str_to_log_mask(text)
    for name in ("in_asm", "op", "out_asm", "int", "exec", "cpu", "mmu", "cpu_reset", "ioport", "guest_errors"):
        assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_only_wanted_categories_are_written(tmp_path):
    path = tmp_path / "log"
    log.cpu_set_log_filename(str(path))
    log.cpu_set_log(log.CPU_LOG_INT)
    log.log(log.CPU_LOG_INT, "an interrupt")
    log.log(log.CPU_LOG_MMU, "a page walk")
    assert path.read_text() == "an interrupt\n"
    assert log.loglevel_mask(log.CPU_LOG_INT) and not log.loglevel_mask(log.CPU_LOG_MMU)


def test_without_a_file_the_log_goes_to_standard_error(capsys):
    log.cpu_set_log(log.CPU_LOG_INT)
    log.log(log.CPU_LOG_INT, "here")
    assert capsys.readouterr().err == "here\n"


def test_a_file_that_cannot_be_written_is_a_users_error(tmp_path):
    with pytest.raises(UserError, match="-D"):
        log.cpu_set_log_filename(str(tmp_path / "no" / "log"))


def test_the_core_writes_port_accesses_when_asked(tmp_path):
    from qemu_py.system.memory import Memory
    path = tmp_path / "log"
    log.cpu_set_log_filename(str(path))
    log.cpu_set_log(log.CPU_LOG_IOPORT)
    memory = Memory()
    memory.physmap.port_write(0x80, 0xAB)
    memory.physmap.port_read(0x1F0, 2)
    assert path.read_text() == "outb: 0080 ab\ninw: 01f0 ffff\n"


def test_help_has_a_line_for_each_category():
    assert len(log.help_text().splitlines()) == 1 + len(log.CATEGORIES)
