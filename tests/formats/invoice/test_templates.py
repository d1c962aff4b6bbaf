"""A user's template takes the place of ours; a broken or incomplete one is refused with its line, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from finledger.core.problem import Problem, Refused
from finledger.resources import shipped
from finledger.write.invoice import render
from finledger.write.templates import Templates
from tests.formats.invoice import readings, sample


def own(books: Path, name: str, content: str | bytes) -> Templates:
    """A set of books with one template of its own."""
    folder = books / "templates"
    folder.mkdir()
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return Templates([folder, shipped("templates")])


def refusal(name: str, templates: Templates, document: str = "invoice") -> Problem:
    with pytest.raises(Refused) as refused:
        render(name, sample.ALL[document], templates)
    (problem,) = refused.value.problems
    assert problem.remedy
    return problem


def test_html__a_block_of_ours_can_be_replaced(tmp_path: Path) -> None:
    block = "{% block facts %}<p>Our own words for {{ document.team }}</p>{% endblock %}"
    extended = '{% extends "finledger/invoice.html.j2" %}\n' + block
    page = render("html", sample.INVOICE, own(tmp_path, "invoice.html.j2", extended)).decode()
    assert "<p>Our own words for R&amp;D &lt;b&gt;</p>" in page and "Service period" not in page
    assert ["Charged", "2,683.01"] in readings.html_rows(page.encode())


def test_html__other_formats_keep_our_template(tmp_path: Path) -> None:
    templates = own(tmp_path, "invoice.html.j2", "{{ nothing }}")
    assert b"2,683.01" in render("md", sample.INVOICE, templates)


@pytest.mark.parametrize(
    ("content", "line", "excerpt", "said"),
    [
        ("<p>\n{% if %}\n</p>", 2, "{% if %}", "Expected an expression"),
        ("<p>\n\n{{ document.totl }}", 3, "{{ document.totl }}", "no attribute 'totl'"),
        (
            "{% for row in document.bill %}\n{{ row.amount / 0 }}\n{% endfor %}",
            2,
            "{{ row.amount / 0 }}",
            "unsupported operand",
        ),
        ("a\n{% include 'footer.html' %}", 2, "{% include 'footer.html' %}", "no template 'footer.html'"),
        ("{{ document.__class__.__mro__ }}", 1, "{{ document.__class__.__mro__ }}", "unsafe"),
        ("{{ document.sentence.format.__globals__ }}", 1, "{{ document.sentence.format.__globals__ }}", "unsafe"),
        ('{% extends "invoice.html.j2" %}', None, "", "without end"),
        (b"\xff\xfe", None, "", "not UTF-8"),
    ],
)
def test_html__a_broken_template_is_refused_with_its_line(
    content: str | bytes, line: int | None, excerpt: str, said: str, tmp_path: Path
) -> None:
    problem = refusal("html", own(tmp_path, "invoice.html.j2", content))
    assert problem.code == "template-broken"
    assert said in problem.message
    assert problem.source is not None and (problem.source.file, problem.source.line) == ("templates/invoice.html.j2", line)
    assert problem.excerpt == excerpt


TABLE = """<table><tr>{% for column in document.quality_columns %}<th>{{ column }}</th>{% endfor %}</tr>
{% for row in document.quality %}<tr>{% for cell in row.cells %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>"""


@pytest.mark.parametrize(
    "content",
    [
        "<p>{{ document.sentence }}</p>",
        TABLE.replace("row.cells", "row.cells[:4]"),
        TABLE.replace("document.quality %}<tr>", "document.quality[1:] %}<tr>"),
        TABLE.replace("document.quality_columns", "document.quality_columns[:3]"),
        f"<!-- {TABLE} -->",
        TABLE.replace("table>", "div>"),
        '{% extends "finledger/invoice.html.j2" %}{% block bill %}{% endblock %}',
        f'<div style="display: none">{TABLE}</div>',
        f"<section hidden>{TABLE}</section>",
        f"<style>main .small td + td {{ font-size: 0 }}</style><main><br><div class='a small'>{TABLE}</div></main>",
        f"<style>@media screen {{ p, #bought table {{ visibility:hidden }} }}</style><div id='bought'>{TABLE}</div>",
        f"<template>{TABLE}</template>",
    ],
)
def test_html__a_template_without_the_quality_columns_is_refused(content: str, tmp_path: Path) -> None:
    problem = refusal("html", own(tmp_path, "invoice.html.j2", content))
    assert problem.code == "template-incomplete"
    assert "quality table (Feature, Charged, Coverage, Freshness, Cost per correct task)" in problem.message
    assert str(problem.source) == "templates/invoice.html.j2"


@pytest.mark.parametrize(
    "content",
    [
        f"<style>.watermark span, .other table {{ display: none }}</style><p hidden>x</p>{TABLE}",
        f"<style>table {{ opacity: 0.9; font-size: 0.8rem }} td::after {{ display: none }}</style><br hidden>{TABLE}",
        f"<style>/* table {{ display: none }} */ aside > table {{ display: none }}</style><main>{TABLE}</main>",
    ],
)
def test_html__what_hides_something_else_is_no_reason_to_refuse(content: str, tmp_path: Path) -> None:
    assert render("html", sample.INVOICE, own(tmp_path, "invoice.html.j2", content))


@pytest.mark.parametrize("around", ["<!--\n\n{}\n\n-->", "```\n{}\n```", "<div hidden>\n\n{}\n\n</div>"])
def test_md__a_quality_table_that_no_reader_sees_is_no_quality_table(around: str, tmp_path: Path) -> None:
    shipped_text = (shipped("templates") / "invoice.md.j2").read_text()
    start, end = shipped_text.index("{% block bill %}"), shipped_text.index("{% block facts %}")
    hidden = shipped_text[:start] + around.format(shipped_text[start:end]) + shipped_text[end:]
    assert refusal("md", own(tmp_path, "invoice.md.j2", hidden)).code == "template-incomplete"


def test_html__the_quality_table_is_enough_for_an_invoice_but_not_for_a_statement(tmp_path: Path) -> None:
    templates = own(tmp_path, "invoice.html.j2", TABLE)
    assert render("html", sample.INVOICE, templates)
    assert "PRO FORMA" in refusal("html", templates, "statement").message


def test_md__a_template_without_the_quality_columns_is_refused(tmp_path: Path) -> None:
    shipped_text = (shipped("templates") / "invoice.md.j2").read_text()
    templates = own(tmp_path, "invoice.md.j2", shipped_text.replace("{{ row.freshness }}", ""))
    assert refusal("md", templates).code == "template-incomplete"


def typst(replaced: str, by: str) -> str:
    source = (shipped("templates") / "invoice.typ").read_text(encoding="utf-8")
    assert replaced in source
    return source.replace(replaced, by)


def test_pdf__a_broken_template_is_refused_with_its_line(tmp_path: Path) -> None:
    content = typst("== Lines\n", "== Lines\n#doc.nothing\n")
    problem = refusal("pdf", own(tmp_path, "invoice.typ", content))
    assert problem.code == "template-broken" and "nothing" in problem.message
    assert problem.source is not None and problem.source.line == content.splitlines().index("#doc.nothing") + 1
    assert problem.source.file == "templates/invoice.typ" and problem.excerpt == "#doc.nothing"


def test_pdf__a_template_that_would_download_a_package_is_refused(tmp_path: Path) -> None:
    problem = refusal("pdf", own(tmp_path, "invoice.typ", '#import "@preview/cetz:0.3.1"\n'))
    assert str(problem.source) == "templates/invoice.typ:1" and "would download" in problem.message


@pytest.mark.parametrize(
    ("replaced", "by"),
    [
        ("row.charged, row.coverage, row.freshness, row.cost_per_correct_task", 'row.charged, "", "", ""'),
        ("head(..doc.quality_columns)", 'head("a", "b", "c", "d", "e")'),
        ("..doc.quality.map(", "..doc.quality.slice(1).map("),
    ],
)
def test_pdf__a_template_without_the_quality_columns_is_refused(replaced: str, by: str, tmp_path: Path) -> None:
    assert refusal("pdf", own(tmp_path, "invoice.typ", typst(replaced, by))).code == "template-incomplete"


def test_pdf__a_statement_must_show_that_it_is_one(tmp_path: Path) -> None:
    templates = own(tmp_path, "invoice.typ", typst("tracking: 1pt, doc.pro_forma", 'tracking: 1pt, ""'))
    assert render("pdf", sample.YEN, templates).startswith(b"%PDF-")
    assert refusal("pdf", templates, "statement").code == "template-incomplete"


def test_pdf__a_template_with_its_own_unusual_characters_gets_the_systems_fonts(tmp_path: Path) -> None:
    templates = own(tmp_path, "invoice.typ", typst("== Lines\n", "== Lines ✂\n"))
    try:
        assert render("pdf", sample.YEN, templates).startswith(b"%PDF-")
    except Refused as refused:  # no font of this machine has it: then the line is named
        assert "could not be displayed" in refused.problems[0].message


def test_templates__a_name_that_no_folder_has(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        Templates([tmp_path]).html("invoice.html.j2")
    assert refused.value.problems[0].code == "template-missing"


def test_shipped__a_folder_that_did_not_come_with_the_program() -> None:
    assert (shipped("templates") / "invoice.typ").is_file()
    with pytest.raises(LookupError, match="lacks its nothing/ folder"):
        shipped("nothing")
