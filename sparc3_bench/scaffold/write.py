"""Write a new plugin: a folder with one module that works, its tests, packaging and a README."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import jinja2

from sparc3_bench.errors import Sparc3Error, UnknownNameError
from sparc3_bench.host import PluginHost

TEMPLATES = Path(__file__).parent / "templates"

KINDS = ("adapter", "scorer", "task")
"""What can be written: the folders of templates."""

_LONGEST = 40


def render(kind: str, name: str) -> dict[str, str]:
    """Return the files of a new scorer, task or adapter by their path in its folder.

    Distribution, module, class and title follow from the name, kebab-case. Raises UnknownNameError
    or Sparc3Error for another kind, or a name that Python or users could not type.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of plugin", kind, KINDS)
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > _LONGEST:
        raise Sparc3Error(
            f"The name '{name}' is not kebab-case; use lower-case letters and digits, a letter "
            f"first, with single hyphens between words and at most {_LONGEST} characters."
        )
    words = name.split("-")
    given = {
        "name": name,
        "distribution": f"sparc3-{name}",
        "module": f"sparc3_{'_'.join(words)}",
        "cls": "".join(word.capitalize() for word in words),
        "title": " ".join(words).capitalize(),
        "model_type": "_".join(words),
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([TEMPLATES / kind, TEMPLATES]),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    files = {
        "pyproject.toml": "pyproject.toml.j2",
        f"{given['module']}.py": "module.py.j2",
        f"test_{given['module']}.py": "test.py.j2",
        "README.md": "README.md.j2",
    }
    made = {
        path: environment.get_template(template).render(kind=kind, **given)
        for path, template in files.items()
    }
    _check_class(made[f"{given['module']}.py"], name, given["cls"])
    return made


def write_plugin(kind: str, name: str, folder: Path, host: PluginHost) -> list[Path]:
    """Write a new plugin into a folder, which is made, and return the paths of its files.

    Raises UnknownNameError or Sparc3Error as `render` does; when the name is taken by a plugin or a
    module that is installed; when the folder is not empty or cannot be written.
    """
    files = render(kind, name)
    if (taken := host.all(kind).get(name)) is not None:
        raise Sparc3Error(
            f"The {kind} name '{name}' is already taken by {taken.origin.distribution} "
            f"{taken.origin.version}; choose another one."
        )
    module = next(path for path in files if path.endswith(".py")).removesuffix(".py")
    if importlib.util.find_spec(module) is not None:
        raise Sparc3Error(
            f"The name '{name}' would make a module '{module}', and one is installed already; "
            "choose another one."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Sparc3Error(
            f"'{folder}' is there and is no empty folder; choose another one with `--dir`."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Sparc3Error(
            f"The folder '{folder}' cannot be written ({error.strerror}); choose another one with "
            "`--dir`."
        ) from None
    return [folder / path for path in files]


def _check_class(source: str, name: str, cls: str) -> None:
    """Refuse a name whose class would be a word of Python, or hide what the module imports."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        used = {cls}
    else:
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        used = {alias.asname or alias.name for node in imports for alias in node.names}
    if cls in used:
        raise Sparc3Error(
            f"The name '{name}' would make a class '{cls}', which means something else already; "
            "choose another one."
        )
