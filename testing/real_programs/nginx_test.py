"""nginx on memalloc.so, driven by urllib and by curl on the allocator too.

Role: a master that forks workers and reads its configuration anew on
SIGHUP; pools cut from malloc and memalign, zlib streams, proxied requests.
Workers overwrite their argv and environ with a title, so the allocator must
not depend on either later on.

Invariants: bodies are functions of the request, so they are equal byte for
byte on both sides. Workers drop no privileges (`user` names the caller), so
that they may write their line of statistics as any other process. Loopback
only, on a port chosen free; nothing of the machine's own nginx is read.
Locking: client threads fill one list element each.
"""

import concurrent.futures
import gzip
import hashlib
import os
import pwd
import random
import signal
import urllib.error
import urllib.request

from testing.real_programs import real_program
from testing.real_programs import server

_FILES = 20
_WORKERS = 2
_REQUESTS = 400

_CONFIGURATION = """
{user}
worker_processes {workers};
pid {dir}/nginx.pid;
error_log {dir}/error.log notice;
events {{ worker_connections 128; }}
http {{
  access_log {dir}/access.log combined buffer=8k;
  client_body_temp_path {dir}/tmp/body;
  proxy_temp_path {dir}/tmp/proxy;
  fastcgi_temp_path {dir}/tmp/fastcgi;
  uwsgi_temp_path {dir}/tmp/uwsgi;
  scgi_temp_path {dir}/tmp/scgi;
  default_type text/plain;
  server_tokens off;
  gzip on;
  gzip_proxied any;
  gzip_types text/plain;
  gzip_min_length 100;
  map $arg_name $greeting {{
    default "nobody";
    ~^a(?<rest>.*)$ "someone whose name begins with a, then $rest";
  }}
  upstream itself {{
    server 127.0.0.1:{port};
    keepalive 8;
  }}
  server {{
    listen 127.0.0.1:{port};
    root {root};
    location /hello {{ return 200 "hello $greeting of $arg_name\\n"; }}
    location /included {{ ssi on; ssi_types text/plain; }}
    location /listing/ {{ alias {root}/; autoindex on;
                          autoindex_format json; }}
    location /proxied/ {{
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffers 4 4k;
      proxy_pass http://itself/;
    }}
    location ~ ^/rewritten/(.*)$ {{ rewrite ^/rewritten/(.*)$ /$1 last; }}
  }}
}}
"""


class NginxTest(real_program.RealProgramTest):
    def setUp(self):
        super().setUp()
        self.nginx = self.program("nginx", "nginx-light")
        self.curl = self.program("curl", "curl")
        # A root that both sides serve, with equal times in its listing.
        self.root = self.dir / "root"
        self.root.mkdir()
        rng = random.Random(5)
        for number in range(_FILES):
            words = rng.choices(["some", "words", "to", "serve", "\n"], k=9999)
            self._write(f"file{number}", " ".join(words[: 500 * (number + 1)]))
        parts = "".join(
            f'<!--#include virtual="/file{n}" -->' for n in range(4)
        )
        self._write("included", f'<!--#set var="x" value="y" -->{parts}')

    def _write(self, name: str, text: str) -> None:
        path = self.root / name
        path.write_text(text)
        os.utime(path, (1_600_000_000, 1_600_000_000))

    def _start(self, session):
        try:
            # Root's workers would become `nobody`; others may not choose.
            caller = pwd.getpwuid(os.getuid()).pw_name
            user = f"user {caller};" if os.getuid() == 0 else ""
        except KeyError:
            user = ""

        def argv(port):
            configuration = session.dir / "nginx.conf"
            configuration.write_text(
                _CONFIGURATION.format(
                    user=user,
                    workers=_WORKERS,
                    dir=session.dir,
                    root=self.root,
                    port=port,
                )
            )
            prefix = ("-p", session.dir, "-c", configuration)
            # nginx would try its compiled-in log before it reads the file.
            return [self.nginx, *prefix, "-e", "stderr", "-g", "daemon off;"]

        return server.Server(session, argv)

    def _workers(self, started):
        """The workers, once all of them run; their maps are checked."""
        pid = started.process.pid
        server.wait_until(
            self,
            f"nginx has {_WORKERS} workers",
            lambda: len(server.children(pid)) == _WORKERS,
        )
        found = server.children(pid)
        for worker in found:
            started.assert_allocator(worker)
        return found

    def _fetch_all(self, port: int) -> dict:
        def fetch(number):
            rng = random.Random(number)
            path = rng.choice(
                [
                    f"/file{rng.randrange(_FILES)}",
                    f"/proxied/file{rng.randrange(_FILES)}",
                    f"/rewritten/file{rng.randrange(_FILES)}",
                    f"/hello?name={'abc'[number % 3] * (number + 1)}",
                    "/proxied/included",
                    "/included",
                    "/listing/",
                    f"/absent{number}",
                ]
            )
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
            if number % 2:
                request.add_header("Accept-Encoding", "gzip")
            try:
                with opener.open(request, timeout=60) as reply:
                    status, body = reply.status, reply.read()
                    if reply.headers.get("Content-Encoding") == "gzip":
                        body = gzip.decompress(body)
            except urllib.error.HTTPError as error:
                status, body = error.code, error.read()
            digest = hashlib.sha256(body).hexdigest()
            return f"{path} {status} {len(body)} {digest}"

        # No proxy of the caller's environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(fetch, range(_REQUESTS)))
        return {str(n): reply for n, reply in enumerate(replies)}

    def _curl(self, session, port: int) -> bytes:
        url = f"http://127.0.0.1:{port}"
        return session.run(
            [
                *(self.curl, "-s", "-S", "--noproxy", "*", "--compressed"),
                f"{url}/proxied/file[0-{_FILES - 1}]",
                f"{url}/hello?name=a{'b' * 2000}",
            ],
        ).stdout

    def test_server(self):
        def work(session):
            started = self._start(session)
            before = self._workers(started)
            replies = self._fetch_all(started.port)
            curled = self._curl(session, started.port)
            self.assertGreater(len(curled), 100_000)

            # A reload ends the workers and starts others.
            started.process.send_signal(signal.SIGHUP)
            pid = started.process.pid
            server.wait_until(
                self,
                "the old workers have gone",
                lambda: not set(before) & set(server.children(pid)),
            )
            after = self._workers(started)
            for key, reply in self._fetch_all(started.port).items():
                self.assert_equal("after reload", replies[key], reply)

            stats = started.stop(signal.SIGQUIT)
            # The master replaces a worker that crashed.
            log = (session.dir / "error.log").read_text()
            self.assertNotIn("exited on signal", log)
            if session.allocator == real_program.MEMALLOC:
                ended = {int(line["pid"]) for line in stats}
                self.assertEqual({pid, *before, *after}, ended)
                names = {line["program"] for line in stats}
                self.assertEqual({"nginx"}, names)
            return {"curl": curled, **replies}

        self.assert_same(work)


if __name__ == "__main__":
    real_program.main()
