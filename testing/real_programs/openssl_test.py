"""The openssl program on memalloc.so: digests, ciphers, keys, signatures.

Role: OpenSSL 3 builds its providers, algorithm tables and error strings at
the start, in thousands of blocks, and frees them in its own exit handler.

Invariants: what depends on the input alone is equal byte for byte on both
sides: digests, ciphertexts with a given key and salt, and PKCS#1 signatures
with one key. What is random, a key made by each side, is checked by using
it: the other allocator verifies what this one signed.
Locking: none; one process a command.
"""

import random
import subprocess

from testing.real_programs import real_program

_DIGESTS = ("md5", "sha1", "sha256", "sha512", "sha3-512", "blake2b512")
_CIPHERS = ("aes-256-cbc", "aes-128-ctr", "chacha20", "camellia-256-cbc")


class OpensslTest(real_program.RealProgramTest):
    def setUp(self):
        super().setUp()
        self.openssl = self.program("openssl", "openssl")
        self.input = self.dir / "input"
        self.input.write_bytes(random.Random(4).randbytes(3_000_000))

    def _commands(self, session):
        def run(*options, **more):
            return session.run([self.openssl, *options], **more).stdout

        return run

    def test_digests_and_ciphers(self):
        def work(session):
            run = self._commands(session)
            results = {}
            for name in _DIGESTS:
                results[name] = run("dgst", f"-{name}", "-r", self.input)
            for name in _CIPHERS:
                options = [f"-{name}", "-pbkdf2", "-iter", "1000"]
                options += ["-k", "secret", "-S", "0123456789abcdef"]
                packed = run("enc", *options, "-a", "-in", self.input)
                plain = run("enc", "-d", *options, "-a", stdin=packed)
                self.assert_equal(name, self.input.read_bytes(), plain)
                results[name] = packed
            results["ciphers"] = run("ciphers", "-v", "ALL")
            results["error"] = session.run(
                [self.openssl, "nonsense"], status=1
            ).stderr
            return results

        self.assert_same(work)

    def test_keys(self):
        subject = ["-subj", "/CN=memalloc.example", "-days", "30"]

        def work(session):
            run = self._commands(session)
            key, cert = session.dir / "key.pem", session.dir / "cert.pem"
            signature = session.dir / "signature"
            run("genrsa", "-out", key, "2048")
            self.assertIn(
                b"RSA key ok", run("rsa", "-check", "-noout", "-in", key)
            )
            run("dgst", "-sha256", "-sign", key, "-out", signature, self.input)
            run("req", "-x509", "-new", "-key", key, "-out", cert, *subject)
            public = run("x509", "-in", cert, "-noout", "-pubkey")
            (session.dir / "public.pem").write_bytes(public)
            return {"verified": run("verify", "-CAfile", cert, cert)[-3:]}

        self.assert_same(work)
        self._verify(self.dir / real_program.LIBC, real_program.MEMALLOC)
        self._verify(self.dir / real_program.MEMALLOC, real_program.LIBC)

    def _verify(self, made, allocator):
        """The other allocator accepts a signature, and refuses a wrong one."""
        session = real_program.Session(self, allocator, "-verify")
        argv = [self.openssl, "dgst", "-sha256"]
        argv += ["-verify", made / "public.pem"]
        argv += ["-signature", made / "signature"]
        good = session.run([*argv, self.input])
        self.assertEqual(b"Verified OK\n", good.stdout)
        bad = session.run([*argv, made / "key.pem"], status=1)
        self.assertIn(b"Verification failure", bad.stdout)

    def test_one_key(self):
        """PKCS#1 signatures by one key are the same from both sides."""
        key = self.dir / "key.pem"
        subprocess.run(
            [self.openssl, "genrsa", "-out", key, "2048"],
            check=True,
            capture_output=True,
        )

        def work(session):
            run = self._commands(session)
            return {
                "signature": run("dgst", "-sha384", "-sign", key, self.input),
                "key": run("rsa", "-in", key, "-text"),
                "packed": run("pkey", "-in", key, "-outform", "DER"),
            }

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
