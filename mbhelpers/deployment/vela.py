"""Arm's compiler Vela as a process of its own: what it can be asked for, one run, and the files that it leaves.

Source: https://gitlab.arm.com/artificial-intelligence/ethos-u/ethos-u-vela, OPTIONS.md and DEBUG_DB.md
"""

import csv
import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

Rows = list[dict[str, str]]
"""A table as Vela writes it: column name to text, a dict a line."""

_ANY = re.compile(
    r"^Warning \(supported operators\) operator: (?P<kind>.+?), ofm: '(?P<name>.*)'\n"
    r"Reason: (?P<reason>.+(?:\n.+)*)",
    re.MULTILINE,
)


def installed() -> Distribution:
    """Vela as it is installed here.

    Raises:
        ValueError: it isn't.
    """
    try:
        return distribution("ethos-u-vela")
    except PackageNotFoundError:
        raise ValueError(
            'the NPU compiler Vela is not installed; run: pip install "mbhelpers[npu]" '
            "(in a checkout of this project: pip install -c constraints.txt -e '.[npu]')"
        ) from None


class Configurations:
    """The named system configurations and memory modes of a configuration file."""

    def __init__(self, path: Path | None = None):
        """Read the file.

        Args:
            path: a .ini file in Vela's format, such as a board's maker gives; None for the one that comes with Vela.

        Raises:
            ValueError: Vela is not installed, or the file is missing or is none of its kind.
        """
        self.path = path or Path(str(installed().locate_file("ethosu/config_files/Arm/vela.ini")))
        self._read = ConfigParser()
        try:
            self._read.read_string(self.path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ConfigError) as error:
            raise ValueError(
                f"no configuration of Vela in {self.path} ({str(error).splitlines()[0]}); name a .ini file of its "
                "format, or leave it out for Vela's own"
            ) from error

    def names(self, section: str) -> list[str]:
        """What can be chosen from; `section` is "System_Config" or "Memory_Mode"."""
        return [name.removeprefix(f"{section}.") for name in self._read.sections() if name.startswith(f"{section}.")]

    def check(self, section: str, name: str, beginning: str = "") -> None:
        """Refuse a name that isn't there, or that does not begin as those of the target do.

        Raises:
            ValueError: so it is; the message lists the names.
        """
        fitting = [known for known in self.names(section) if known.startswith(beginning)]
        if name not in fitting:
            what = section.replace("_", " ").replace("Config", "configuration").lower()
            raise ValueError(f"unknown {what} {name!r} in {self.path.name}; choose from {', '.join(fitting) or 'none'}")

    def ports(self, name: str) -> set[str]:
        """The memories that a system configuration connects: "Sram", "Dram", "OnChipFlash", "OffChipFlash"."""
        found: dict[str, str] = {}
        section = f"System_Config.{name}"
        while section in self._read:
            found = {key: self._read[section][key] for key in ("axi0_port", "axi1_port") if key in self._read[section]}
            section = self._read[section].get("inherit", "") if len(found) < 2 else ""
        return set(found.values())


def run(model: Path, folder: Path, arguments: Sequence[str]) -> str:
    """Compile one file.

    Args:
        model: a .tflite file.
        folder: where the compiled file and its tables are written to.
        arguments: Vela's options.

    Returns:
        What it said.

    Raises:
        ValueError: it failed; with its last line, or the signal that ended it.
    """
    command = [sys.executable, "-m", "ethosu.vela", str(model), "--output-dir", str(folder), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    said = ended.stdout + ended.stderr
    if ended.returncode < 0:
        raise ValueError(f"it crashed (signal {-ended.returncode})")
    if ended.returncode or not list(folder.glob("*_vela.tflite")):
        lines = [line for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
        raise ValueError(lines[-1].strip() if lines else f"it ended with status {ended.returncode}, saying nothing")
    return said


def reasons(said: str) -> dict[tuple[str, str], str]:
    """Why operators stay on the CPU: (TFLite's kind, name of the output tensor) to Vela's words, in one line."""
    return {(m["kind"], m["name"]): " ".join(m["reason"].split()) for m in _ANY.finditer(said)}


def read_summary(folder: Path) -> dict[str, str]:
    """The one line of figures for the whole network."""
    [path] = folder.glob("*_summary_*.csv")
    [line] = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    return line


def read_debug(folder: Path, names: Iterable[str]) -> tuple[Rows, ...]:
    """Tables of the debug database: "source" has the file's operators, "perf" the steps that they become.

    Raises:
        ValueError: a table is missing, so this is a release of Vela that writes another form.
    """
    [path] = folder.glob("*_debug.xml")
    found = {table.get("name"): table.text or "" for table in ElementTree.parse(path).getroot().iter("table")}
    if missing := set(names) - set(found):
        raise ValueError(
            f"Vela {installed().version} writes no table {', '.join(sorted(missing))}; "
            "install the release that constraints.txt names"
        )
    return tuple(list(csv.DictReader(io.StringIO(found[name].strip()))) for name in names)
