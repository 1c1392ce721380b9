"""The page of heap maps, in a real browser: headless Chromium.

A program with known allocations leaves two snapshots; what the page's elements
say is compared with sums made here, and the page is used as a person would:
hover, search, sort, compare, in light and in dark. Nothing may be written to
the browser's console. Screenshots are left among the test's outputs.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from tools.heap_map import heap_map, snapshot

SECONDS = 60
PROGRAM = None


def in_use(shot):
    """Bytes that the program has, by the table's rows."""
    rows = {}
    for arena in shot.arenas:
        for block in arena.blocks:
            if block["is"] == "small":
                key = str(block["cell"])
                live = block["used"] * block["cell"]
            elif block["is"] == "large":
                key, live = "large", block["bytes"]
            else:
                continue
            blocks, before = rows.get(key, (0, 0))
            rows[key] = (blocks + 1, before + live)
    for huge in shot.huge:
        if not huge["cached"]:
            blocks, before = rows.get("huge", (0, 0))
            rows["huge"] = (blocks + 1, before + huge["bytes"])
    return rows


def total(shot):
    return sum(live for _, live in in_use(shot).values())


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for tool in ("chromium", "chromedriver"):
            if shutil.which(tool) is None:
                raise unittest.SkipTest(f"{tool} is not installed")
        try:
            # pylint: disable=import-outside-toplevel
            from selenium import webdriver
        except ImportError:
            raise unittest.SkipTest("python3-selenium is not installed")
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.paths = [cls.folder / "before.map", cls.folder / "after.map"]
        subprocess.run([PROGRAM, *cls.paths], check=True, timeout=SECONDS)
        cls.shots = [snapshot.read(path) for path in cls.paths]
        options = webdriver.ChromeOptions()
        for option in (
            "--headless=new",
            "--no-sandbox",  # which root may not have
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1500,1100",
            f"--user-data-dir={cls.folder / 'profile'}",
        ):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # Fonts and the like are looked for there.
        os.environ["HOME"] = str(cls.folder)
        service = webdriver.chrome.service.Service(shutil.which("chromedriver"))
        cls.driver = webdriver.Chrome(service=service, options=options)
        cls.addClassCleanup(cls.driver.quit)

    def open(self, *paths):
        page = self.folder / "page.html"
        arguments = [*map(str, paths), "--out", str(page)]
        self.assertEqual(heap_map.main(arguments), 0)
        self.driver.get(page.as_uri())
        self.assertEqual(self.script("document.body.dataset.ready"), "true")

    def tearDown(self):
        said = [line["message"] for line in self.driver.get_log("browser")]
        self.assertEqual(said, [], "on the console")

    def script(self, expression):
        return self.driver.execute_script(f"return {expression};")

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def type_search(self, text):
        field = self.find("#search")
        field.clear()
        field.send_keys(text)

    def found(self):
        return self.find("#found").get_attribute("data-count")

    def card(self, name):
        return int(self.find(f"#card-{name}").get_attribute("data-value"))

    def table(self):
        """Of each class: blocks, and bytes in use."""
        rows = self.script(
            "[...document.querySelectorAll('#classes tbody tr')].map(row => "
            "[row.dataset.key, ...[...row.cells].map(c => c.dataset.value)])"
        )
        return {row[0]: (int(row[2]), int(row[4])) for row in rows}

    def keep_picture(self, name):
        folder = os.environ.get("TEST_UNDECLARED_OUTPUTS_DIR")
        if folder:
            self.driver.save_screenshot(f"{folder}/{name}.png")

    def colours(self):
        """How many colours the first arena's canvas shows."""
        return self.script(
            "(() => { const canvas = document.querySelector('#map canvas');"
            "const data = canvas.getContext('2d').getImageData(0, 0, "
            "canvas.width, canvas.height).data; const seen = new Set();"
            "for (let i = 0; i < data.length; i += 4) seen.add("
            "data.slice(i, i + 4).join()); return seen.size; })()"
        )

    def test_counts_are_right(self):
        self.open(self.paths[0])
        shot = self.shots[0]
        self.assertIn(shot.head["program"], self.driver.title)
        self.assertEqual(self.table(), in_use(shot))
        self.assertEqual(self.card("in-use"), total(shot))
        blocks = sum(count for count, _ in in_use(shot).values())
        self.assertEqual(self.card("blocks"), blocks)
        pages = sum(a.resident for a in shot.arenas)
        pages += sum(b["resident"] for a in shot.arenas for b in a.blocks)
        pages += sum(h["resident"] for h in shot.huge)
        self.assertEqual(self.card("resident"), pages * shot.head["page"])
        arenas = self.driver.find_elements("css selector", "#map .arena")
        self.assertEqual(len(arenas), len(shot.arenas))
        self.assertGreater(self.colours(), 4)
        self.keep_picture("light")

    def test_search(self):
        self.open(self.paths[0])
        shot = self.shots[0]
        wanted = [
            (arena, block)
            for arena in shot.arenas
            for block in arena.blocks
            if block.get("cell") == 768
        ]
        self.type_search("750")
        self.assertEqual(self.found(), str(len(wanted)))
        arena, block = wanted[0]
        start = arena.start + block["at"] * shot.head["granule"]
        self.type_search(hex(start + 768 + 100))
        self.assertEqual(self.found(), "1")
        details = self.find("#details").text
        self.assertIn("Block of 768-byte cells", details)
        self.assertIn("number 1, from " + hex(start + 768), details)
        self.assertIn("100 bytes in", details)
        huge = shot.huge[0]["huge"]
        self.type_search(hex(huge + 5))
        self.assertIn(hex(huge), self.find("#found").text)
        self.type_search("0x10")
        self.assertEqual(self.found(), "0")
        large = in_use(shot)["large"][0]
        self.type_search("large")
        self.assertEqual(self.found(), str(large))

    def test_hover_and_pick(self):
        # pylint: disable=import-outside-toplevel
        from selenium.webdriver import ActionChains

        self.open(self.paths[0])
        canvas = self.find("#map canvas")
        self.assertFalse(self.find("#tip").is_displayed())
        middle = canvas.size["width"] / 2
        at_start = ActionChains(self.driver).move_to_element_with_offset(
            canvas, int(3 - middle), int(5 - canvas.size["height"] / 2)
        )
        at_start.perform()
        self.assertIn("the arena's table", self.find("#tip").text)
        at_start.click().perform()
        self.assertIn("the arena's table", self.find("#details").text)
        ActionChains(self.driver).move_to_element(self.find("h1")).perform()
        self.assertFalse(self.find("#tip").is_displayed())

    def test_sort(self):
        self.open(self.paths[0])
        in_use_button = self.find("#classes th:nth-child(4) button")
        for kind, is_reversed in (("descending", True), ("ascending", False)):
            in_use_button.click()
            values = [live for _, live in self.table().values()]
            self.assertEqual(values, sorted(values, reverse=is_reversed))
            head = self.find("#classes th:nth-child(4)")
            self.assertEqual(head.get_attribute("aria-sort"), kind)

    def test_two_are_compared(self):
        self.open(*self.paths)
        before, after = self.shots
        self.assertEqual(self.card("in-use"), total(after))
        changes = self.script(
            "Object.fromEntries([...document.querySelectorAll("
            "'#classes tbody tr')].map(r => [r.dataset.key, "
            "Number(r.cells[4].dataset.value)]))"
        )
        rows = [in_use(shot) for shot in (before, after)]
        none = (0, 0)
        self.assertEqual(
            changes,
            {
                key: rows[1].get(key, none)[1] - rows[0].get(key, none)[1]
                for key in rows[0].keys() | rows[1].keys()
            },
        )
        self.assertGreater(changes["240"], 700000)
        self.assertLess(changes["768"], -300000)
        self.assertGreater(self.colours(), 4)
        self.keep_picture("compared")
        buttons = self.driver.find_elements("css selector", "#views button")
        self.assertEqual(
            [button.text for button in buttons], ["Before", "After", "Change"]
        )
        for button, shot in zip(buttons, (before, after)):
            button.click()
            self.assertEqual(self.card("in-use"), total(shot))

    def test_each_colouring_in_dark(self):
        scheme = {"name": "prefers-color-scheme", "value": "dark"}
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [scheme]}
        )
        self.addCleanup(
            self.driver.execute_cdp_cmd,
            "Emulation.setEmulatedMedia",
            {"features": []},
        )
        self.open(self.paths[0])
        back = self.script("getComputedStyle(document.body).backgroundColor")
        self.assertEqual(back, "rgb(20, 23, 28)")
        for mode in ("owner", "resident", "class"):
            self.find(f"#mode option[value={mode}]").click()
            self.assertGreater(self.colours(), 2)
        self.keep_picture("dark")


def prefer_debians_python():
    """Starts over with Debian's Python, whose package selenium is, if need be.

    The `python3` that Bazel finds first may be another one.
    """
    debians = "/usr/bin/python3"
    if importlib.util.find_spec("selenium") or "STARTED_OVER" in os.environ:
        return
    if os.access(debians, os.X_OK):
        os.environ["STARTED_OVER"] = "1"
        os.execv(debians, [debians, *sys.argv])


if __name__ == "__main__":
    prefer_debians_python()
    PROGRAM = os.path.abspath(sys.argv[1])
    unittest.main(argv=sys.argv[:1], verbosity=2)
