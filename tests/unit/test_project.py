"""Rules that hold for the repository as a whole: who may import whom, what is pinned, what must not be committed."""

import ast
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "mbhelpers"


def module_name(path: Path) -> str:
    """`mbhelpers/data/split.py` is `data.split`; the package itself is the empty name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(path: Path) -> set[str]:
    """Modules of ours that a file imports, at the top, in functions, and for types only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} line {node.lineno}: write imports out, from mbhelpers..."
            # `from mbhelpers.data import split` imports a module, `from mbhelpers.data.split import copies` a name.
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    ours = {name.removeprefix("mbhelpers.") for name in found if name.startswith("mbhelpers.")}
    return ours & set(MODULES)


# From the bottom up: a module imports from its own layer and those below. A name stands for its sub-modules too.
LAYERS = [
    ("settings", "files", "native", "rows", "preprocessing", "records", "runs", "detection"),
    ("data", "models"),
    ("training", "quantization", "inference"),
    ("evaluation", "deployment"),
    ("reporting",),
    ("stages", "pretrained"),
    ("notebooks", "batch"),
    (
        "cli",
        "cli_batch",
        "cli_data",
        "cli_deploy",
        "cli_detect",
        "cli_evaluate",
        "cli_onnx",
        "cli_weights",
        "reporting.site",
        "training.sample_backbone",
    ),  # commands: nothing below imports them
]


def layer(module: str) -> int:
    """The layer of the longest name that stands for a module."""
    fitting = [
        (len(name), level)
        for level, names in enumerate(LAYERS)
        for name in names
        if module == name or module.startswith(name + ".")
    ]
    assert fitting, f"{module} has no layer yet; add it to LAYERS in {Path(__file__).name}"
    return max(fitting)[1]


@pytest.mark.parametrize("module", [name for name in MODULES if name])
def test_imports_point_one_way(module):
    upwards = [name for name in imports(MODULES[module]) if layer(name) > layer(module)]
    assert not upwards, f"{module} imports {', '.join(upwards)} from a layer above its own"


def test_the_package_itself_imports_next_to_nothing():
    assert imports(MODULES[""]) <= {"settings"}, "every command and every notebook pays for it"


STAGES = ("models", "training", "quantization", "inference", "evaluation")

CATALOG = {
    f"data.{name}"
    for name in ("catalog", "source", "prepare", "fetch", "download", "unpack", "tfds", "food101", "person", "sample")
}


@pytest.mark.parametrize(
    "module",
    [m for m in MODULES if m.split(".")[0] in STAGES],
)
def test_stages_take_data_as_arguments(module):
    if module != "training.sample_backbone":  # a command, which draws its own data
        assert not imports(MODULES[module]) & CATALOG


def test_there_is_no_circle():
    below = {name: imports(path) for name, path in MODULES.items()}
    done: set[str] = set()
    while ready := {name for name, needed in below.items() if name not in done and needed <= done}:
        done |= ready
    assert done == set(MODULES), f"these import each other: {sorted(set(MODULES) - done)}"


def environment_reads(tree: ast.AST) -> list[int]:
    """Lines that reach the environment, whichever way."""
    lines = []
    for node in ast.walk(tree):
        attribute = isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv", "putenv")
        name = isinstance(node, ast.alias) and node.name in ("environ", "environb", "getenv", "putenv")
        if attribute or name:
            lines.append(node.lineno)
    return lines


def test_environment_reads_are_seen():
    for text in ("import os\nos.environ['A']", "from os import getenv", "import os as o\no.getenv('A')"):
        assert environment_reads(ast.parse(text))
    assert not environment_reads(ast.parse("import os\nos.getpid()"))


def test_only_settings_reads_the_environment():
    readers = {
        name: lines
        for name, path in MODULES.items()
        if (lines := environment_reads(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert set(readers) == {"settings"}, f"move it to settings.py: {readers}"


LIGHT_COMMANDS = ("cli", "cli_batch", "cli_data", "cli_deploy", "cli_evaluate", "cli_weights")
LIGHT = (*LAYERS[0], "data", "evaluation", "deployment", "reporting", "batch", *LIGHT_COMMANDS)
LIGHT_MODULES = ("quantization.calibration", "models.weights", "training.recipes", "stages", "notebooks")


def test_light_modules_import_without_tensorflow():
    names = [name for name in MODULES if name.split(".")[0] in LIGHT or name in LIGHT_MODULES]
    assert len(names) > 25
    lines = [f"import mbhelpers.{name}\nfound({name!r})" for name in names]
    program = (
        "import sys\n"
        "def found(name):\n"
        "    heavy = {'tensorflow', 'keras', 'onnxruntime', 'ray', 'torch', 'jax'} & set(sys.modules)\n"
        "    assert not heavy, f'{name} imports {heavy}; import it in the function that needs it'\n" + "\n".join(lines)
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-500:]


def test_the_package_imports_in_under_a_second():
    program = "import sys, mbhelpers; assert not {'numpy', 'matplotlib', 'tensorflow', 'keras'} & set(sys.modules)"
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 1, f"best of three: {min(seconds):.2f} s"


# ---- Dependencies


def project_requirements() -> set[str]:
    """What pyproject.toml asks for, as normalized text, with the extras that set-up installs."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    listed = [*project["dependencies"], *(text for extra in extras.values() for text in extra)]
    assert f"{project['name']}[{','.join(extra for extra in extras if extra != 'dev')}]" in extras["dev"]
    return {str(Requirement(text)) for text in listed if Requirement(text).name != project["name"]}


def test_environment_yml_equals_pyproject():
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, section = environment["dependencies"]
    asked = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert environment["name"] == "mbhelpers"
    assert environment["channels"] == ["conda-forge"]
    assert (python, pip) == (f"python {asked}", "pip")
    assert section["pip"][0] == "-e ."
    listed = [str(Requirement(text)) for text in section["pip"][1:]]
    wanted = project_requirements()
    assert set(listed) == wanted, f"environment.yml and pyproject.toml differ in {sorted(set(listed) ^ wanted)}"
    assert len(listed) == len(wanted), "one is listed twice"


def test_environment_yml_gives_a_reason_on_each_line():
    lines = (PROJECT / "environment.yml").read_text(encoding="utf-8").splitlines()
    start = lines.index("dependencies:") + 1
    entries = [line for line in lines[start:] if line.strip() not in ("", "- pip:")]
    assert len(entries) == len(project_requirements()) + 3
    silent = [line.strip() for line in entries if not re.search(r"  # \S.{7,}", line)]
    assert not silent, f"say why: {silent}"


def test_constraints_hold_versions_and_nothing_else():
    text = (PROJECT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("# ")]
    pinned = [re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([0-9][A-Za-z0-9.!+]*)", line) for line in lines]
    wrong = [line for line, match in zip(lines, pinned, strict=True) if not match]
    assert not wrong, f"only name==version, no addresses, no paths: {wrong[:5]}"
    names = [re.sub(r"[-_.]+", "-", match[1]).lower() for match in pinned if match]
    assert len(names) == len(set(names)), "one is pinned twice"
    versions = {name: match[2] for name, match in zip(names, pinned, strict=True) if match}
    for text in project_requirements():
        requirement = Requirement(text)
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert name in versions, f"{name} is not pinned"
        assert requirement.specifier.contains(versions[name]), f"{text} and {name}=={versions[name]} contradict"


# ---- What must not be committed


def tracked_texts() -> dict[str, str]:
    """Name and content of every text file that git tracks."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"no git checkout: {listed.stderr.strip()[:100]}")
    texts = {}
    for name in filter(None, listed.stdout.split("\0")):
        path = PROJECT / name
        if not path.is_file() or b"\0" in (content := path.read_bytes()):
            continue  # deleted here, or binary
        texts[name] = content.decode("utf-8", errors="replace")
    assert len(texts) > 50
    return texts


# Spelled with a class, so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w./:~-])[/](?:home|Users|root|work|mnt|media|opt|srv|scratch)/[\w.-]+|\b[C-Z]:\\\w+")
INDEX_HOST = re.compile(
    r"pypi[.]org|pythonhosted[.]org|anaconda[.]org|index[-_]url|trusted[-_]host|find[-_]links"
    r"|https?://[^\s/\"']*(?:artifactory|nexus|devpi|pypi|proxy)[^\s\"']*|https?://[^\s\"']*/simple\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    ("pattern", "text", "found", "why"),
    [
        (MACHINE_PATH, "data = '" + "/home" + "/me/pictures'", True, "a home folder"),
        (MACHINE_PATH, "open(" + "/work" + "/main/a.py)", True, "a checkout"),
        (MACHINE_PATH, "D" + ":\\pictures", True, "a drive"),
        (MACHINE_PATH, "https://example.org/home/index", False, "an address is no path"),
        (MACHINE_PATH, "notebooks/" + "work/a.py", False, "a relative path"),
        (INDEX_HOST, "--ind" + "ex-url x", True, "an option of pip"),
        (INDEX_HOST, "https://" + "pypi.example.com/x", True, "a mirror"),
        (INDEX_HOST, "https://mirror.example.com/" + "simple/", True, "an index by its path"),
        (INDEX_HOST, "https://www.tensorflow.org/datasets/catalog/tf_flowers", False, "a source of data"),
    ],
)
def test_the_patterns_see_what_they_should(pattern, text, found, why):
    assert bool(pattern.search(text)) is found, why


@pytest.mark.parametrize("pattern", [MACHINE_PATH, INDEX_HOST], ids=["machine paths", "package indexes"])
def test_tracked_files_name_no_machine(pattern):
    hits = [
        f"{name}: {match.group()}"
        for name, text in tracked_texts().items()
        if name != Path(__file__).relative_to(PROJECT).as_posix()
        for match in pattern.finditer(text)
    ]
    assert not hits, "\n" + "\n".join(hits[:10])
