"""Write the sample documents that are not plain text: a PDF of five pages and a Word document.

Run it with the project's own Python after changing a text below: `.venv/bin/python packaging/make_samples.py [FOLDER]`.
Every name in the samples is invented.
"""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

SAMPLES = Path(__file__).resolve().parent.parent / "assets" / "samples"
MANUAL = "Brightwater Coffee Machine Manual.pdf"
RETURNS = "Fern and Finch Orders and Returns.docx"

MANUAL_PAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Brightwater B200 Coffee Machine",
        (
            "This manual explains how to use, clean and repair the Brightwater B200 coffee machine.",
            "Read it before you make your first coffee, and keep it for later. Brightwater is an invented name.",
            "The machine makes coffee from whole beans and from ground coffee. "
            "It is made for homes and small offices with up to eight people.",
            "Place the machine on a flat and dry surface. Leave 10 centimetres of free space on every side.",
        ),
    ),
    (
        "Making coffee",
        (
            "The water tank holds 1.8 litres. Fill it with fresh, cold water every morning.",
            "The bean container holds 250 grams. Close its lid so that the beans stay fresh.",
            "Press the power button. The machine heats up in 40 seconds, and the green lamp shows that it is ready.",
            "Put a cup under the spout and press the cup button once for one coffee. "
            "Press it twice for two coffees at the same time.",
            "Turn the dial to the right for a stronger coffee.",
        ),
    ),
    (
        "Cleaning and descaling",
        (
            "Empty the drip tray every evening. The drip tray may go into the dishwasher.",
            "Rinse the milk nozzle with hot water after each use.",
            "Descale the machine every 2 months. Use the liquid descaler and never use vinegar.",
            "Pour 100 millilitres of descaler into the water tank and hold the clean button for 5 seconds. "
            "The descaling program takes 25 minutes.",
            "Replace the water filter after 60 litres of water.",
        ),
    ),
    (
        "Solving problems",
        (
            "A red lamp means that the water tank is empty. Fill the tank and press the power button.",
            "A blinking orange lamp means that the drip tray is full.",
            "If the coffee is too cold, rinse the cup with hot water before you use it.",
            "If the machine makes a loud noise, a bean is stuck in the grinder. "
            "Pull the plug and clean the grinder with the small brush.",
            "The machine switches itself off after 20 minutes without use.",
        ),
    ),
    (
        "Warranty and service",
        (
            "The warranty lasts 24 months from the date of purchase. Keep the receipt as proof of purchase.",
            "Damage by limescale is not covered by the warranty.",
            "Spare parts are available for 7 years.",
            "The service team answers the telephone from Monday to Friday between 8 and 18 o'clock. "
            "A repair takes about 10 working days.",
        ),
    ),
)

RETURNS_SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Orders and Returns at Fern and Finch",
        (
            "Fern and Finch is an invented shop for house plants and bird feeders.",
            "This page tells our customers how ordering, delivery and returns work.",
        ),
    ),
    (
        "Delivery",
        (
            "We deliver an order within 4 working days.",
            "Delivery costs 5 euros. Delivery is free for orders above 60 euros.",
            "Large plants are delivered only on Tuesdays and Thursdays.",
        ),
    ),
    (
        "Refunds",
        (
            "You can return an item for a refund within 30 days after delivery.",
            "The refund arrives on your bank account after 6 working days.",
            "Cut flowers and seeds can't be returned.",
        ),
    ),
    (
        "Gift cards and help",
        (
            "A gift card is valid for 3 years.",
            "Write to the help desk if a plant arrives damaged, and add a photo. We send a new plant at no cost.",
        ),
    ),
)

CONTENT_TYPES = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/word/document.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/>'
    '<Override PartName="/word/styles.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml"/></Types>'
)
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE_RELATIONS = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>'
)
DOCUMENT_RELATIONS = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>'
)
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STYLES = (
    f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:styles xmlns:w="{WORD}">'
    '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/>'
    '<w:pPr><w:spacing w:after="120"/></w:pPr><w:rPr><w:sz w:val="22"/></w:rPr></w:style>'
    '<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:basedOn w:val="Normal"/>'
    '<w:pPr><w:outlineLvl w:val="0"/></w:pPr><w:rPr><w:b/><w:sz w:val="32"/></w:rPr></w:style></w:styles>'
)


def manual_html(page: int) -> str:
    """Return one page of the manual as HTML; `page` counts from 0."""
    heading, paragraphs = MANUAL_PAGES[page]
    body = "".join(f'<p style="font-size:12pt; line-height:140%">{escape(text)}</p>' for text in paragraphs)
    return f'<h1 style="font-size:15pt">{escape(heading)}</h1>{body}'


def write_manual(file: Path) -> None:
    """Write the manual as a PDF of searchable text, one section to a page."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QMarginsF
    from PySide6.QtGui import QFont, QGuiApplication, QPageLayout, QPageSize, QPainter, QPdfWriter, QTextDocument

    application = QGuiApplication.instance() or QGuiApplication([])
    writer = QPdfWriter(str(file))
    writer.setTitle("Brightwater B200 Coffee Machine: manual")
    writer.setPageSize(QPageSize(QPageSize.PageSizeId.A5))
    writer.setPageMargins(QMarginsF(18, 18, 18, 18), QPageLayout.Unit.Millimeter)
    writer.setResolution(300)
    painter = QPainter(writer)
    for page in range(len(MANUAL_PAGES)):
        if page:
            writer.newPage()
        document = QTextDocument()
        document.documentLayout().setPaintDevice(writer)
        document.setDefaultFont(QFont("DejaVu Sans"))
        document.setTextWidth(writer.width())
        document.setHtml(manual_html(page))
        document.drawContents(painter)
    painter.end()
    del application


def word_xml() -> str:
    """Return the body of the Word document."""
    paragraphs: list[str] = []
    for heading, texts in RETURNS_SECTIONS:
        style = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>'
        paragraphs.append(f"<w:p>{style}<w:r><w:t>{escape(heading)}</w:t></w:r></w:p>")
        paragraphs += [f"<w:p><w:r><w:t>{escape(text)}</w:t></w:r></w:p>" for text in texts]
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:document xmlns:w="{WORD}"><w:body>'
        + "".join(paragraphs)
        + "<w:sectPr/></w:body></w:document>"
    )


def write_returns(file: Path) -> None:
    """Write the Word document, byte for byte the same each time."""
    parts = {
        "[Content_Types].xml": CONTENT_TYPES,
        "_rels/.rels": PACKAGE_RELATIONS,
        "word/document.xml": word_xml(),
        "word/_rels/document.xml.rels": DOCUMENT_RELATIONS,
        "word/styles.xml": STYLES,
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0)), text)


def main() -> None:
    """Write both files into the folder given, or into the project's samples."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES
    write_manual(folder / MANUAL)
    write_returns(folder / RETURNS)
    for name in (MANUAL, RETURNS):
        print(f"{folder / name}: {(folder / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
