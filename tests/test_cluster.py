"""Files in object stores and workers of Dask clusters, all real: lost, slow, blind and different ones."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classroom import WRONG, write_class
from conftest import Cli
from planted import honest

from mnistloss import Evaluation, Refused, evaluate, evaluate_many
from mnistloss.errors import MissingExtraError, UnavailableError

pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
pytest.importorskip("s3fs", reason="the extra [cluster] is not installed")

ON_5K = ("--dataset", "mnist-5k")
NO_AVX512 = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
}
"""NumPy's own loops for AVX-512 have other last bits than those of the C library; without them, versions agree."""

NO_FMA = {**NO_AVX512, "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F"}
OLD_NUMPY = Path(sys.prefix) / "numpy-1.26"
Start = Callable[..., subprocess.Popen[bytes]]


def eval_process(*arguments: object, env: Mapping[str, str] = NO_AVX512) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mnistloss", "eval", *map(str, arguments)]
    return subprocess.Popen(
        command, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip


def finished(process: subprocess.Popen[str], seconds: float = 60) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, re.sub(r".*RuntimeWarning.*\n.*\n|.*NPY_DISABLE.*\n|.*AVX512.*\n", "", err)


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, Start]]:
    """The address of a scheduler, and a function that starts a worker of it with some variables."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(kind: str, *options: object, **env: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *map(str, options)]
        environment = {**os.environ, **NO_AVX512, **env}
        with (tmp_path / f"{kind}-{len(processes)}.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=tmp_path)
        processes.append(process)
        return process

    where = tmp_path / "scheduler.json"
    start("scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--scheduler-file", where)
    while not where.exists() or not where.read_text():
        time.sleep(0.02)
    address = json.loads(where.read_text())["address"]
    try:
        yield address, lambda **env: start("worker", address, "--nthreads", 1, "--no-dashboard", **env)
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


@pytest.fixture
def many_files(tmp_path: Path) -> tuple[Path, bytes]:
    """A list of 2,000 files, wrong ones among them, and the rows that one process writes."""
    names = write_class(tmp_path / "class", 4)
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join((names * 150)[:2000]))
    code, _, err = finished(eval_process("--manifest", listed, *ON_5K, "-o", tmp_path / "alone.jsonl"))
    assert code == 1, err
    return listed, (tmp_path / "alone.jsonl").read_bytes()


def test_the_processors_of_this_machine(many_files: tuple[Path, bytes], tmp_path: Path) -> None:
    """--cluster local gives the same bytes as one process, and says the same."""
    listed, alone = many_files
    out = tmp_path / "local.jsonl"
    code, _, err = finished(eval_process("--manifest", listed, *ON_5K, "-o", out, "--cluster", "local"))
    assert (code, out.read_bytes()) == (1, alone)
    assert err.splitlines()[-1].startswith(f"{out}: 2,000 files, ")
    code, text, _ = finished(eval_process(tmp_path / "class", *ON_5K, "--cluster", "local", "--format", "json"))
    assert (code, len(json.loads(text)["refused"])) == (1, len(WRONG) - 1)


def test_the_executor_of_a_client(scheduler: tuple[str, Start], many_files: tuple[Path, bytes]) -> None:
    """Dask's own executor is an executor as any other."""
    (address, start), (listed, alone) = scheduler, many_files
    start()
    code = (
        "import sys; from distributed import Client; from mnistloss import evaluate_many;"
        "from mnistloss.evaluation.many import to_line;"
        "executor = Client(sys.argv[1]).get_executor(retries=2, pure=False);"
        "results = evaluate_many(open(sys.argv[2]).read().split(), dataset='mnist-5k', executor=executor);"
        "print('\\n'.join(map(to_line, results)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, address, listed], env={**os.environ, **NO_AVX512}, capture_output=True, check=True
    )  # fmt: skip
    assert done.stdout.splitlines() == alone.splitlines()[1:]


def test_lost_workers(scheduler: tuple[str, Start], many_files: tuple[Path, bytes], tmp_path: Path) -> None:
    """Two of three workers are killed midway, a new one comes: the same bytes, no file twice."""
    (address, start), (listed, alone) = scheduler, many_files
    workers = [start() for _ in range(3)]
    out = tmp_path / "out.jsonl"
    process = eval_process("--manifest", listed, *ON_5K, "-o", out, "--cluster", address)
    for worker in workers[:2]:
        before = out.stat().st_size if out.exists() else 0
        while process.poll() is None and (not out.exists() or out.stat().st_size <= max(1000, before)):
            time.sleep(0.005)
        assert process.poll() is None
        kill_group(worker)
    start()
    code, _, err = finished(process)
    assert (code, out.read_bytes()) == (1, alone), err


def kill_group(worker: subprocess.Popen[bytes]) -> None:
    """Kill a nanny and then its worker, so that no new worker is started."""
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    worker.kill()
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)


def test_a_worker_with_other_bits(scheduler: tuple[str, Start], many_files: tuple[Path, bytes], tmp_path: Path) -> None:
    """A processor without FMA is refused by name within seconds; beside another worker it gets no file."""
    (address, start), (listed, alone) = scheduler, many_files
    start(**NO_FMA)
    out = tmp_path / "out.jsonl"
    command = ("--manifest", listed, *ON_5K, "-o", out, "--cluster", address)
    begin = time.monotonic()
    code, _, err = finished(eval_process(*command))
    assert time.monotonic() - begin < 10  # the start of Python and of a client, and five seconds
    assert code == 1
    assert re.search(r"^Error: every worker is refused: tcp://127\.0\.0\.1:\d+: worker .*other last bits", err, re.M), (
        err
    )
    assert not out.exists()
    start()
    wait_for_workers(address, 2)
    code, _, err = finished(eval_process(*command))
    assert (code, out.read_bytes()) == (1, alone), err
    assert len(re.findall(r"^refused: tcp://.*other last bits", err, re.M)) == 1


def wait_for_workers(address: str, count: int) -> None:
    code = f"import distributed as d; d.Client('{address}').wait_for_workers({count}, timeout=20)"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **NO_AVX512}, capture_output=True)


def test_a_worker_with_another_numpy(
    scheduler: tuple[str, Start], many_files: tuple[Path, bytes], tmp_path: Path
) -> None:
    """NumPy 1.26 gives the same bytes, or is refused by name; it never hangs."""
    if not OLD_NUMPY.is_dir():
        pytest.skip("NumPy 1.26 is not there")
    (address, start), (listed, alone) = scheduler, many_files
    start(PYTHONPATH=str(OLD_NUMPY))
    out = tmp_path / "out.jsonl"
    code, _, err = finished(eval_process("--manifest", listed, *ON_5K, "-o", out, "--cluster", address))
    assert (code, out.read_bytes()) == (1, alone), err


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    """No scheduler, or no worker: a line each, soon."""
    np.save(tmp_path / "y.npy", honest().probs)
    code, _, err = finished(eval_process(tmp_path / "y.npy", *ON_5K, "--cluster", "tcp://127.0.0.1:9"))
    assert (code, "--cluster tcp://127.0.0.1:9: no worker answers" in err) == (1, True), err


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a server that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A file system of a store with the files of a class under s3://class/run-*/."""
    import s3fs

    for name, value in (
        ("AWS_ENDPOINT_URL", s3),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem(endpoint_url=s3, key="x", secret="x", skip_instance_cache=True, use_listings_cache=False)
    for path in store.ls("") if store.exists("class") else ():
        store.rm(path, recursive=True)
    store.mkdir("class")
    for path in write_class(tmp_path / "class", 3)[:-1]:
        store.put(path, f"class/run-{Path(path).stem}/{Path(path).name}")
    return store


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()[1:]]


@pytest.mark.parametrize("cluster", [(), ("--cluster", "local")])
def test_addresses(cluster: tuple[str, ...], bucket: Any, tmp_path: Path) -> None:
    """A pattern of addresses is scored as the files are: .npy, .csv and what is refused, on workers too."""
    out = tmp_path / "out.jsonl"
    code, _, err = finished(
        eval_process("s3://class/run-*/*", "s3://class/none.npy", *ON_5K, "-o", out, *cluster, env={})
    )
    assert code == 1, err
    expected = {
        one.predictions: one.row()
        for one in evaluate_many(sorted(map(str, tmp_path.glob("class/*"))), dataset="mnist-5k")
    }
    *rows, missing = lines(out)
    assert [row["predictions"] for row in rows] == sorted(row["predictions"] for row in rows)
    for row in rows:
        file = expected.pop(str(tmp_path / "class" / Path(row["predictions"]).name))
        for name in ("status", "cee", "accuracy", "signature"):
            assert row.get(name) == file.get(name)
        assert row["reason"][:60] == file["reason"][:60]
    assert not expected
    assert (missing["status"], missing["reason"]) == ("refused", "there is no such object")


def test_objects_that_vanish_or_change(bucket: Any, tmp_path: Path) -> None:
    """What is gone since it was listed is refused; what was changed is read as one of its versions, never a mixture."""
    names = [f"s3://class/run-student-00{number}/student-00{number}.npy" for number in range(3)]
    results = evaluate_many(listed_while(bucket, names), dataset="mnist-5k")
    gone, changed, same = results
    assert isinstance(gone, Refused)
    assert "there is no such object" in gone.reason
    assert isinstance(changed, Evaluation)
    assert (
        changed.signature.predictions
        == evaluate(tmp_path / "class" / "float16.npy", dataset="mnist-5k").signature.predictions
    )
    assert isinstance(same, Evaluation)
    stop = threading.Event()
    versions = [np.full((1000, 10), 0.1, np.float32), np.eye(10, dtype=np.float32)[np.arange(1000) % 10]]

    def rewrite() -> None:
        while not stop.is_set():
            for y in versions:
                np.save(tmp_path / "y.npy", y)
                bucket.put(str(tmp_path / "y.npy"), "class/y.npy")

    bucket.put(str(tmp_path / "class" / "float16.npy"), "class/y.npy")
    thread = threading.Thread(target=rewrite)
    thread.start()
    try:
        found = {
            one.signature.predictions
            for one in evaluate_many(["s3://class/y.npy"] * 200, dataset="mnist-5k")
            if isinstance(one, Evaluation)
        }
    finally:
        stop.set()
        thread.join()
    allowed = [*versions, np.load(tmp_path / "class" / "float16.npy")]
    assert found <= {evaluate(y, dataset="mnist-5k").signature.predictions for y in allowed}
    assert len(found) > 1


def listed_while(bucket: Any, names: list[str]) -> Iterator[str]:
    """Yield names; remove the first object and change the second once all are listed."""
    bucket.rm(names[0])
    bucket.cp(names[1].replace("student-001", "float16"), names[1])
    yield from names


def test_a_store_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cli: Cli) -> None:
    """It is no refusal of a file, so that nothing is written for it: the call stops, and a later one goes on."""
    import fsspec

    store = fsspec.filesystem("memory")
    store.pipe("/a.npy", b"")
    monkeypatch.setattr(type(store), "cat_file", broken)
    with pytest.raises(UnavailableError, match=r"memory://a\.npy: cannot be read .*no route"):
        list(evaluate_many(["memory://a.npy"], dataset="mnist-5k"))
    result = cli("eval", "memory://a.npy", *ON_5K, "-o", tmp_path / "out.jsonl")
    assert (result.exit_code, lines(tmp_path / "out.jsonl")) == (1, [])


def broken(*_: object, **__: object) -> bytes:
    raise OSError("no route to host")


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, cli: Cli, preds: Path) -> None:
    """Of this project the extra is named, of fsspec the package of the store."""
    assert "Protocol not known: nowhere" in cli("eval", "nowhere://y.npy", *ON_5K).stderr
    assert cli("eval", "memory://no.npy", *ON_5K).stderr == "Error: memory://no.npy: there is no such object\n"
    with pytest.raises(MissingExtraError, match="gcsfs"):
        list(evaluate_many(["gs://bucket/y.npy"], dataset="mnist-5k"))
    for package, words in (("fsspec", ["memory://a.npy"]), ("distributed", [preds, "--cluster", "local"])):
        monkeypatch.setitem(sys.modules, package, None)
        result = cli("eval", *words, *ON_5K)
        assert (result.exit_code, "pip install 'mnistloss[cluster]'" in result.stderr) == (1, True)
