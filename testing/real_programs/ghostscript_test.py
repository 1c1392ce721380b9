"""Ghostscript on memalloc.so: renders PostScript made by the test.

Role: an interpreter with an allocator of its own (chunks, save and restore,
a garbage collector) above malloc, and renderers with large bands.

Invariants: raster formats without time stamps, so pages are equal byte for
byte on both sides; the PDF written on the way has a date and a random name
in it, so it is compared by what it looks like. Only Ghostscript's own fonts.
Locking: none here; NumRenderingThreads gives it helper threads.
"""

from testing.real_programs import real_program

_PAGES = 3


class GhostscriptTest(real_program.RealProgramTest):
    def test_render(self):
        gs = self.program("gs", "ghostscript")
        page = real_program.data("page.ps")

        def work(session):
            def run(device, source, *options, output):
                return session.run(
                    [
                        *(gs, "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE"),
                        *(f"-sDEVICE={device}", f"-sOutputFile={output}"),
                        *options,
                        source,
                    ],
                    min_peak=5_000_000,
                )

            banded = ("-r150", "-dNumRenderingThreads=2", "-dBufferSpace=4M")
            run("ppmraw", page, *banded, output="page%d.ppm")
            run("pnggray", page, "-r72", "-dTextAlphaBits=4", output="%d.png")
            text = run("txtwrite", page, output="-").stdout
            self.assertIn(b"memory", text)
            run("pdfwrite", page, output="page.pdf")
            run("pgmraw", "page.pdf", "-r72", output="from-pdf%d.pgm")
            results = {"text": text}
            for number in range(1, _PAGES + 1):
                for pattern in ("page%d.ppm", "%d.png", "from-pdf%d.pgm"):
                    path = session.dir / (pattern % number)
                    results[path.name] = path.read_bytes()
                pixels = results[f"page{number}.ppm"]
                self.assertGreater(len(set(pixels)), 16, "an empty page")
            return results

        self.assert_same(work)

    def test_error(self):
        gs = self.program("gs", "ghostscript")

        def work(session):
            run = session.run(
                [gs, "-q", "-dBATCH", "-dNODISPLAY", "-"],
                stdin=b"1 2 add = 1 0 div\n",
                status=1,
                min_peak=5_000_000,
            )
            self.assertIn(b"undefinedresult", run.stdout + run.stderr)
            return {"stdout": run.stdout, "stderr": run.stderr}

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
