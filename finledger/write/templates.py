"""Templates: the user's own first, then those that came with the program; a broken one is a problem, not a traceback.

A set of books may hold a `templates/` folder. A file in it takes the place of ours of the same name; `finledger/NAME`
always means ours, so that a template can extend it and change one block. Templates run in Jinja's sandbox: they can show
what they are given and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from finledger.core.problem import Problem, Refused, SourceRef
from finledger.write import text

T = TypeVar("T")
_OWN_CLASS = re.compile(r"'finledger\.(?:\w+\.)*(\w+) object'")  # a person knows what a View shows, not where we keep it
_REMEDY = "correct the template, or take it out of templates/ to use the one that comes with finledger"


class Templates:
    """Where templates are looked up, in order; the last folder is the one that came with the program.

    One object serves one run: it keeps compiled templates, and assumes that the files do not change under it.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folder.resolve() for folder in folders)
        self._kept: dict[Hashable, Any] = {}

    def path(self, name: str) -> Path:
        """The file that stands for `name`. Raises `Refused` where no folder has it."""
        for folder in self.folders:
            if (folder / name).is_file():
                return folder / name
        looked = ", ".join(f"{folder.name}/" for folder in self.folders) or "no folder"
        raise Refused([Problem("template-missing", f"no template {name} in {looked}", remedy=f"put {name} into templates/")])

    def html(self, name: str, **values: object) -> str:
        """The template rendered as HTML: every value is escaped."""
        return self._render("html", name, values)

    def markdown(self, name: str, **values: object) -> str:
        """The template rendered as Markdown: every value is escaped, so that it is text wherever it stands."""
        return self._render("markdown", name, values)

    def keep(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` makes, made once a run."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: T = self._kept[key]
        return kept

    def broken(self, name: str, line: int | None, message: str, code: str = "template-broken", remedy: str = "") -> Refused:
        """The refusal for a template that does not work, pointing at its line. `name` is a template's or a path."""
        path = Path(name) if Path(name).is_absolute() else self.path(name)
        source = SourceRef(self._near(path), line)
        return Refused([Problem(code, message, source, _line_of(path, line), remedy or _REMEDY)])

    def _near(self, path: Path) -> str:
        """A template's path as the books' owner writes it: templates/invoice.html.j2."""
        for folder in self.folders:
            if path.is_relative_to(folder):
                return f"{folder.name}/{path.relative_to(folder).as_posix()}"
        return path.name

    def _render(self, syntax: str, name: str, values: dict[str, object]) -> str:
        path = self.path(name)
        environment = self.keep(syntax, lambda: self._environment(syntax))
        try:
            return environment.get_template(name).render(values)
        except TemplateSyntaxError as error:
            raise self.broken(error.filename or str(path), error.lineno, f"{error.message}") from error
        except TemplateNotFound as error:
            raise self.broken(*self._place(error, path), f"there is no template {error.name!r} to include") from error
        except UnicodeDecodeError as error:
            raise self.broken(str(path), None, "the template is not UTF-8 text") from error
        except RecursionError as error:
            message = "the template includes or extends itself without end; write finledger/NAME to extend ours"
            raise self.broken(str(path), None, message) from error
        except (
            Exception
        ) as error:  # whatever a user's template does wrong is the template's fault, and is said with its line
            file, line = self._place(error, path)
            said = _OWN_CLASS.sub(r"\1", str(error)) or type(error).__name__
            raise self.broken(file, line, f"the template fails: {said}") from error

    def _environment(self, syntax: str) -> ImmutableSandboxedEnvironment:
        folders = [str(folder) for folder in self.folders]
        loader = ChoiceLoader([FileSystemLoader(folders), PrefixLoader({"finledger": FileSystemLoader(folders[-1:])})])
        return ImmutableSandboxedEnvironment(
            loader=loader,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
            finalize=_as_markdown if syntax == "markdown" else None,
        )

    def _place(self, error: Exception, path: Path) -> tuple[str, int | None]:
        """The innermost line of a template in the traceback: Jinja puts the template's own lines into it."""
        found: tuple[str, int | None] = (str(path), None)
        trace = error.__traceback__
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            if any(Path(file).is_relative_to(folder) for folder in self.folders):
                found = (file, trace.tb_lineno)
            trace = trace.tb_next
        if found[1] is None and not any(path.parent == folder for folder in self.folders[:-1]):
            raise error  # our own template, and not a line of it: a bug of ours
        return found


def markdown(value: str) -> str:
    r"""Text that Markdown shows as it is, in a table's cell too.

    >>> markdown("a|b `c` <d> *e*")
    'a\\|b \\`c\\` &lt;d&gt; \\*e\\*'
    """
    escaped = text.shown(value).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "|`*_[]~#$":
        escaped = escaped.replace(mark, "\\" + mark)
    return escaped.replace("://", "&#58;//").replace("www.", "www&#46;")


def _as_markdown(value: object) -> object:
    return value if isinstance(value, Markup) else Markup(markdown(str(value)))


def _line_of(path: Path, line: int | None) -> str:
    if line is None or not path.is_file():
        return ""
    lines = path.read_text("utf-8", "replace").splitlines()
    return lines[line - 1].strip() if 0 < line <= len(lines) else ""
