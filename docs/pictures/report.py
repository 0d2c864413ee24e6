"""Make the picture of the report in the README: Chromium shows a page, of which three views become one PNG.

make pictures
"""

import base64
import io
import os
import tempfile
from pathlib import Path

from PIL import Image, PngImagePlugin
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from mnistloss.cli import main

COMMANDS = (
    "baseline softmax --dataset mnist-5k --out preds.npy",
    "report preds.npy --dataset mnist-5k -o report.html",
)
WIDTH, HEIGHT, GAP = 780, 1300, 16
COLUMNS = (("light", "body"), ("light", "#confusion1"), ("dark", "#histogram1"))
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars")

options = webdriver.ChromeOptions()
options.binary_location = "/usr/bin/chromium"
for flag in FLAGS:
    options.add_argument(flag)
here = Path(__file__).resolve().parent
picture = Image.new("RGB", (len(COLUMNS) * (WIDTH + GAP) - GAP, HEIGHT), "white")
with tempfile.TemporaryDirectory() as folder, webdriver.Chrome(options, Service("/usr/bin/chromedriver")) as browser:
    os.chdir(folder)
    for command in COMMANDS:
        main(command.split(), standalone_mode=False)
    size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(Path("report.html").resolve().as_uri())
    for place, (scheme, start) in enumerate(COLUMNS):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.execute_script("document.querySelector(arguments[0]).scrollIntoView()", start)
        shot = base64.b64decode(browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"])
        picture.paste(Image.open(io.BytesIO(shot)), (place * (WIDTH + GAP), 0))
    os.chdir(here)
said = PngImagePlugin.PngInfo()
said.add_text("Description", "; ".join(f"mnistloss {command}" for command in COMMANDS))
picture.quantize(256, Image.Quantize.MAXCOVERAGE).save(here / "report.png", optimize=True, pnginfo=said)
