"""A Hub in miniature on this machine: as much of its protocol as the `huggingface_hub` client speaks.

Small files live in commits, safetensors, clips and pictures in a store of large files (LFS) at an address of its
own, as on the real one. A Space is a repository named spaces/ORG/NAME.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_made_up"


def oid(data: bytes) -> str:
    """git's name of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_large(path: str) -> bool:
    return path.endswith((".safetensors", ".mp4", ".png"))


@dataclass
class Repository:
    """Commits (path → content) and the names that point to them."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)  # those of `refs` that are no branches
    making: dict[str, Any] = field(default_factory=dict)  # what the client asked for when it was made

    def commit(self, files: dict[str, bytes], ref: str = "main", without: Collection[str] = ()) -> str:
        """Add files to what `ref` points to, take others away and move it; the new commit's name."""
        whole = self.commits.get(self.refs.get(ref, ""), {}) | files
        whole = {path: data for path, data in whole.items() if path not in without}
        summary = "".join(f"{path} {oid(data)}\n" for path, data in sorted(whole.items()))
        name = hashlib.sha1(f"{len(self.commits)} {summary}".encode()).hexdigest()
        self.commits[name], self.refs[ref] = whole, name
        return name


@dataclass
class Hub:
    """What is stored, what was asked (`asked`: method, path and Range), and what goes wrong."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    operations: list[dict[str, Any]] = field(default_factory=list)  # of all commits that clients sent
    address: str = ""
    store: str = ""
    cut: int | None = None  # the next large file breaks off after so many bytes, once
    stuck: int | None = None  # of large files so many bytes come and no more, while the line stays open
    deaf: str | None = None  # questions whose path contains this are taken and never answered
    deafens: bool = False  # so is every question after the first
    xet: bool = False  # files are said to lie in a Xet store as well; there is none
    keys: set[str] = field(default_factory=set)  # tokens that the store of large files was shown
    over: threading.Event = field(default_factory=threading.Event)  # lets go of those who wait
    swapped: bool = False  # large files come with one bit changed
    lost: set[str] = field(default_factory=set)  # listed, but not to be had
    status: int | None = None  # the answer to every question
    paid: bool = False  # Spaces are made for those alone who pay
    body: bytes = b""

    def repository(self, name: str, **options: Any) -> Repository:
        return self.repositories.setdefault(name, Repository(**options))

    def gets(self, part: str) -> list[str]:
        """The Range ("" for none) of each GET whose path contains `part`."""
        return [span for method, path, span in self.asked if method == "GET" and part in path]


class Answer(Exception):
    """Ends a request with a status and the Hub's own code for what is wrong."""

    def __init__(self, status: int, code: str = "") -> None:
        super().__init__(status, code)
        self.status, self.code = status, code


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def _any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.sent = self.rfile.read(length)
        quoted = urlsplit(self.path).path
        path = unquote(quoted)
        self.hub.asked.append((self.command, path, self.headers.get("Range", "")))
        try:
            if self.hub.deaf is not None and self.hub.deaf in path:
                return self._wait()
            if self.hub.deafens:
                self.hub.deaf = ""
            if self.hub.status is not None:
                return self._reply(self.hub.body, self.hub.status)
            for pattern, action in ROUTES:
                if found := re.fullmatch(pattern, quoted):
                    return action(self, *(unquote(part) if part else part for part in found.groups()))
            raise Answer(404, "RepoNotFound")
        except Answer as answer:
            headers = {"X-Error-Code": answer.code} if answer.code else {}
            return self._reply(b"", answer.status, **headers)

    def _wait(self) -> None:
        """Say nothing until the test is over."""
        self.close_connection = True
        self.hub.over.wait()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _any

    def _reply(self, data: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _json(self, document: Any) -> None:
        self._reply(json.dumps(document).encode(), **{"Content-Type": "application/json"})

    def _repository(self, name: str) -> Repository:
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and not self._known()):
            raise Answer(404 if self._known() else 401, "RepoNotFound")
        return repository

    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _must_be_known(self) -> None:
        if not self._known():
            raise Answer(403)

    def _commit_of(self, name: str, revision: str) -> tuple[str, dict[str, bytes]]:
        repository = self._repository(name)
        commit = repository.refs.get(revision, revision)
        if commit not in repository.commits:
            raise Answer(404, "RevisionNotFound")
        return commit, repository.commits[commit]

    def references(self, name: str) -> None:
        repository = self._repository(name)
        answer: dict[str, list[dict[str, str]]] = {"branches": [], "tags": [], "converts": []}
        for ref, commit in repository.refs.items():
            kind, folder = ("tags", "tags") if ref in repository.tags else ("branches", "heads")
            answer[kind].append({"name": ref, "ref": f"refs/{folder}/{ref}", "targetCommit": commit})
        self._json(answer)

    # Reading

    def info(self, name: str, revision: str | None) -> None:
        repository = self._repository(name)
        answer = {"_id": "1", "id": name, "modelId": name, "private": repository.private, "tags": []}
        if repository.commits or revision:
            commit, files = self._commit_of(name, revision or "main")
            answer |= {"sha": commit, "siblings": [{"rfilename": path} for path in files]}
        self._json(answer)

    def tree(self, name: str, revision: str) -> None:
        _, files = self._commit_of(name, revision)
        self._json([{"type": "file", "path": path, **self._entry(path, data)} for path, data in files.items()])

    def _entry(self, path: str, data: bytes) -> dict[str, Any]:
        if is_large(path):
            large = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            return {"size": len(data), "oid": "0" * 40, "lfs": large}
        return {"size": len(data), "oid": oid(data)}

    def resolve(self, name: str, revision: str, path: str) -> None:
        commit, files = self._commit_of(name, revision)
        if path not in files or path in self.hub.lost:
            raise Answer(404, "EntryNotFound")
        data, headers = files[path], {"X-Repo-Commit": commit}
        if not is_large(path):
            return self._reply(data, ETag=f'"{oid(data)}"', **headers)
        digest = hashlib.sha256(data).hexdigest()
        self.hub.large[digest] = data
        linked = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(data))}
        if self.hub.xet:
            route = f"{self.hub.address}/api/models/{name}/xet-read-token/{commit}"
            linked |= {"X-Xet-Hash": digest, "X-Xet-Refresh-Route": route}
        return self._reply(b"", 302, Location=f"{self.hub.store}/large/{digest}", **linked, **headers)

    def large(self, digest: str) -> None:
        data = self.hub.large[digest]
        self.hub.keys |= {self.headers["Authorization"]} - {None}
        if self.hub.swapped:
            data = data[:-1] + bytes([data[-1] ^ 1])
        headers, status, whole, start = {"ETag": f'"{digest}"'}, 200, len(data), 0
        if span := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start = int(span[1])
            data, status = data[start:], 206
            headers["Content-Range"] = f"bytes {start}-{whole - 1}/{whole}"
        cut, self.hub.cut = self.hub.cut, None
        if self.hub.stuck is not None:
            self._reply(data[: max(self.hub.stuck - start, 0)], status, **headers, **{"Content-Length": str(len(data))})
            self.wfile.flush()
            return self._wait()
        if cut is None:
            return self._reply(data, status, **headers)
        self.close_connection = True
        return self._reply(data[:cut], status, **headers, **{"Content-Length": str(len(data))})

    # Writing

    def create(self) -> None:
        self._must_be_known()
        asked = json.loads(self.sent)
        name = f"{asked['organization']}/{asked['name']}"
        files = {".gitattributes": b"made\n"}
        if asked.get("type") == "space":
            name, files = f"spaces/{name}", files | {"README.md": b"---\nsdk: gradio\n---\n"}
            if self.hub.paid and asked.get("hardware") != "zero-a10g":
                raise Answer(402)
        if name in self.hub.repositories:
            raise Answer(409)
        self.hub.repository(name, private=asked.get("visibility") == "private", making=asked).commit(files)
        self._json({"url": f"{self.hub.address}/{name}"})

    def branch(self, name: str, ref: str) -> None:
        self._must_be_known()
        repository = self._repository(name)
        if ref in repository.refs:
            raise Answer(409)
        repository.refs[ref] = repository.refs["main"]
        self._json({})

    def check_card(self) -> None:
        asked = json.loads(self.sent)
        needed = "\nsdk:" if asked["repoType"] == "space" else "\nlicense:"
        valid = needed in asked["content"].split("\n---\n")[0]
        answer = {"warnings": [], "errors": [] if valid else [{"message": f"needs {needed[1:]}"}]}
        self._reply(json.dumps(answer).encode(), 200 if valid else 400)

    def preupload(self, name: str, revision: str) -> None:
        self._must_be_known()
        _, files = self._commit_of(name, revision)
        answer = []
        for one in json.loads(self.sent)["files"]:
            entry = self._entry(one["path"], files[one["path"]]) if one["path"] in files else {}
            mode = "lfs" if is_large(one["path"]) else "regular"
            there = entry.get("lfs", entry).get("oid")
            answer.append({"path": one["path"], "uploadMode": mode, "shouldIgnore": False, "oid": there})
        self._json({"files": answer})

    def batch(self, name: str) -> None:
        self._must_be_known()
        self._repository(name)
        objects = []
        for one in json.loads(self.sent)["objects"]:
            action = {"upload": {"href": f"{self.hub.store}/upload/{one['oid']}"}}
            objects.append(one if one["oid"] in self.hub.large else one | {"actions": action})
        self._json({"transfer": "basic", "objects": objects})

    def upload(self, digest: str) -> None:
        if hashlib.sha256(self.sent).hexdigest() != digest:
            raise Answer(400)
        self.hub.large[digest] = self.sent
        self._reply(b"")

    def commit(self, name: str, revision: str) -> None:
        self._must_be_known()
        self._commit_of(name, revision)
        operations = [json.loads(line) for line in self.sent.splitlines()]
        self.hub.operations += operations
        files, gone = {}, set()
        for one in operations:
            value = one["value"]
            if one["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif one["key"] == "deletedFile":
                gone.add(value["path"])
        made = self.hub.repositories[name].commit(files, revision, gone)
        self._json({"commitUrl": f"{self.hub.address}/{name}/commit/{made}", "commitOid": made})


NAME, REVISION = r"((?:spaces/)?[\w.-]+/[\w.-]+)", "([^/]+)"
API = f"/api/(?:models/)?{NAME}"
ROUTES = (
    ("/api/repos/create", Handler.create),
    ("/api/validate-yaml", Handler.check_card),
    (f"{API}/refs", Handler.references),
    (f"{API}/branch/{REVISION}", Handler.branch),
    (f"{API}/tree/{REVISION}", Handler.tree),
    (f"{API}/preupload/{REVISION}", Handler.preupload),
    (f"{API}/commit/{REVISION}", Handler.commit),
    (f"{API}(?:/revision/{REVISION})?", Handler.info),
    (f"/{NAME}.git/info/lfs/objects/batch", Handler.batch),
    (f"/{NAME}/resolve/{REVISION}/(.+)", Handler.resolve),
    ("/large/([0-9a-f]{64})", Handler.large),
    ("/upload/([0-9a-f]{64})", Handler.upload),
)


@contextmanager
def serve() -> Iterator[Hub]:
    """A running Hub, and the store of its large files at another port."""
    hub = Hub()
    handler = type("Bound", (Handler,), {"hub": hub})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    hub.address, hub.store = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        hub.over.set()
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()
