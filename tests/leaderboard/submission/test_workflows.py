"""The GitHub workflows, as far as they can be run here: what they take of a pull request, and what they believe."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sdd_bench.leaderboard.records import ENTRY
from sdd_bench.leaderboard.submission.pack import pack

WORKFLOWS = Path(__file__).parents[3] / ".github" / "workflows"
TEXTS = {name: (WORKFLOWS / f"{name}.yml").read_text("utf-8") for name in ("submission", "submission-comment")}
CHECK, COMMENT = (yaml.safe_load(text) for text in TEXTS.values())
MARK = "<!-- sdd-bench submission -->\n"
INSTALLED = Path(sys.executable).with_name("sdd-bench")
STEP = "Check the submission"
STEPS = [step for flow in (CHECK, COMMENT) for job in flow["jobs"].values() for step in job["steps"]]


def test_a_pull_request_runs_without_secrets_and_without_the_right_to_write():
    assert list(CHECK[True]) == ["pull_request"]  # YAML 1.1 reads the key `on` as true
    assert CHECK["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in CHECK["jobs"].values())
    assert not any("secrets." in text or "pull_request_target" in text for text in TEXTS.values())


def test_what_may_write_runs_none_of_the_pull_requests_code():
    assert list(COMMENT[True]) == ["workflow_run"]
    assert COMMENT[True]["workflow_run"]["workflows"] == [CHECK["name"]]
    (job,) = COMMENT["jobs"].values()
    assert COMMENT["permissions"] == {}
    assert job["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert [step["uses"].partition("@")[0] for step in job["steps"]] == [
        "actions/download-artifact",
        "actions/github-script",
    ]


def test_only_the_base_branch_is_checked_out():
    (checkout,) = (step for step in STEPS if step.get("uses", "").startswith("actions/checkout@"))
    assert checkout["with"] == {"ref": "${{ github.event.pull_request.base.sha }}", "persist-credentials": False}


def test_no_word_of_the_event_becomes_part_of_a_script():
    scripts = [step.get("run", "") + step.get("with", {}).get("script", "") for step in STEPS]
    assert not [script for script in scripts if "${{" in script]


def test_foreign_actions_are_named_by_commit():
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", name) for name in used)


def test_the_commands_in_the_workflow_exist_with_their_options():
    from sdd_bench.cli.submit import check
    from sdd_bench.cli.weights import weights

    (script,) = (step["run"] for step in STEPS if "submit check" in step.get("run", ""))
    given = set(re.findall(r"--[a-z-]+", script))
    assert given == {"--board", "--out", "--text", "--dataset", "--workers"}
    assert given <= {option for parameter in check.params for option in parameter.opts}
    assert "fetch" in weights.commands


# What the step takes of a pull request.


def git(folder, *arguments):
    settings = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        ["git", *settings, *arguments], cwd=folder, capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout.strip()


@pytest.fixture
def take(tmp_path):
    """Runs the step on a pull request that makes changes; the exit code, what it says, and the archive."""
    if shutil.which("git") is None or shutil.which("bash") is None:
        pytest.skip("needs git and bash")
    (script,) = (step["run"] for step in STEPS if step.get("id") == "take")
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    origin.mkdir()
    git(origin, "init", "--quiet")
    git(origin, "config", "uploadpack.allowAnySHA1InWant", "true")
    (origin / "code.py").write_text("safe")
    (origin / "submissions").mkdir()
    (origin / "submissions" / "old.zip").write_bytes(b"old")
    git(origin, "add", ".")
    git(origin, "commit", "--quiet", "-m", "base")
    git(tmp_path, "clone", "--quiet", str(origin), str(clone))

    def make(change):
        git(origin, "checkout", "--quiet", "-b", "pull")
        change(origin)
        git(origin, "add", "--all")
        git(origin, "commit", "--quiet", "-m", "pull")
        git(origin, "checkout", "--quiet", "main")
        git(origin, "merge", "--quiet", "--no-ff", "-m", "merge", "pull")
        places = {"ARCHIVE": tmp_path / "taken.zip", "CHANGES": tmp_path / "changes"}
        given = {name: str(path) for name, path in places.items()} | {"MERGE": git(origin, "rev-parse", "HEAD")}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],  # as GitHub runs it
            cwd=clone,
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (clone / "code.py").read_text() == "safe"
        assert sorted(path.name for path in (clone / "submissions").iterdir()) == ["old.zip"]
        taken = places["ARCHIVE"].read_bytes() if places["ARCHIVE"].exists() else None
        return done.returncode, done.stdout + done.stderr, taken

    return make


def add(name, content=b"archive"):
    def change(folder):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    return change


def test_one_new_archive_is_taken_to_the_byte(take):
    content = bytes(range(256)) * 9 + b"\r\n"
    code, said, taken = take(add("submissions/my-net_2.zip", content))
    assert (code, taken) == (0, content), said


def both(*changes):
    return lambda folder: [change(folder) for change in changes]


def link(folder):
    (folder / "submissions" / "new.zip").symlink_to("/etc/passwd")


def executable(folder):
    add("submissions/new.zip")(folder)
    (folder / "submissions" / "new.zip").chmod(0o755)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (both(add("submissions/new.zip"), add("code.py", b"evil")), "changes one file only"),
        (both(add("submissions/a.zip"), add("submissions/b.zip")), "changes one file only"),
        (both(add("submissions/new.zip"), add(".gitattributes", b"* filter=evil")), "changes one file only"),
        (add("code.py", b"evil"), "is named submissions/NAME.zip"),
        (add("submissions/new.tar"), "is named submissions/NAME.zip"),
        (add("submissions/deep/new.zip"), "is named submissions/NAME.zip"),
        (add("submissions/$(touch evil).zip"), "is named submissions/NAME.zip"),
        (add("submissions/a\n::set-env.zip"), "is named submissions/NAME.zip"),
        (add("submissions/-rf.zip"), "is named submissions/NAME.zip"),
        (add("submissions/old.zip", b"new"), "new, plain file"),
        (lambda folder: (folder / "submissions" / "old.zip").unlink(), "new, plain file"),
        (link, "new, plain file"),
        (executable, "new, plain file"),
    ],
)
def test_anything_else_is_refused_in_fixed_words(take, change, says):
    code, said, taken = take(change)
    assert code == 1
    assert taken is None
    (line,) = said.splitlines()
    assert line.startswith("::error::A submission")
    assert says in line


# What the steps after that make of it.


@pytest.fixture
def check(tmp_path):
    """Runs the steps that note the pull request and check its archive, as GitHub does; exit code, words and report."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    scripts = [step["run"] for step in STEPS if step.get("name") in ("Note which pull request it is", STEP)]
    programs, report = tmp_path / "bin", tmp_path / "report"
    programs.mkdir()
    # Weights are 244 MB from elsewhere: to fetch them is noted, and done by no test.
    fake = f'#!/bin/sh\n[ "$1" = weights ] && echo "asked for: $*" && exit\nexec "{INSTALLED}" "$@"\n'
    (programs / "sdd-bench").write_text(fake)
    (programs / "sdd-bench").chmod(0o755)
    (tmp_path / "base" / "leaderboards").mkdir(parents=True)

    def make(archive, dataset=""):
        places = {"ARCHIVE": archive, "CHECKED": tmp_path / "checked", "REPORT": report}
        given = {name: str(path) for name, path in places.items()} | {"NUMBER": "7", "DATASET": dataset}
        code, said = 0, ""
        for script in scripts:
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
                cwd=tmp_path / "base",
                env={**os.environ, **given, "PATH": f"{programs}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
            code, said = done.returncode, said + done.stdout + done.stderr
            if code:
                break
        return code, said, {path.name: path.read_text("utf-8") for path in report.iterdir()}

    return make


@pytest.fixture
def archive(scored_blur, tmp_path):
    meta = tmp_path / "meta.yaml"
    meta.write_text("schema_version: 1\nname: a method\n")
    pred, made = scored_blur
    pack(pred, meta, made, tmp_path / "submission.zip")
    return tmp_path / "submission.zip"


@pytest.mark.parametrize("computed", [True, False])
def test_a_sound_archive_leaves_an_entry_and_the_words_for_the_comment(check, archive, prepared, computed):
    code, said, report = check(archive, str(prepared) if computed else "")
    assert code == 0, said
    assert report.pop("number") == "7\n"
    assert "a method" in report.pop("pull_request.md")
    ((name, text),) = report.items()
    entry = ENTRY.validate_json(text)
    assert name == f"{entry.id}.json"
    assert entry.status == ("verified" if computed else "self-reported")
    assert ("asked for: weights fetch alexnet" in said) is computed


def test_a_refused_archive_leaves_the_reasons_alone(check, archive):
    archive.write_bytes(archive.read_bytes()[:-100])
    code, _, report = check(archive)
    assert code == 1
    assert sorted(report) == ["number", "pull_request.md"]
    assert report["pull_request.md"].startswith("## A submission that was not accepted")


# What the comment believes.

RUNNER = """
const input = JSON.parse(require("fs").readFileSync(0, "utf8"));
const said = [];
let looks = 0;
const api = {
  pulls: {
    get: async () => ({ data: input.pulls[Math.min(looks++, input.pulls.length - 1)] }),
    listFiles: async () => ({ data: input.files }),
  },
  issues: {
    listComments: "listComments",
    updateComment: async (given) => said.push({ update: given.comment_id, body: given.body }),
    createComment: async (given) => said.push({ create: given.issue_number, body: given.body }),
  },
};
const github = { rest: api, paginate: async () => input.comments };
const core = { notice: (text) => said.push({ notice: text }), setFailed: (text) => said.push({ failed: text }) };
const context = {
  repo: { owner: "o", repo: "r" },
  payload: { workflow_run: { head_sha: "new" }, repository: { default_branch: "main" } },
};
const body = Object.getPrototypeOf(async () => {}).constructor;
new body("github", "core", "context", "require", process.env.SCRIPT)(github, core, context, require)
  .then(() => process.stdout.write(JSON.stringify(said)));
"""
PULL = {"state": "open", "head": {"sha": "new"}, "base": {"ref": "main"}}
FILES = [{"status": "added", "filename": "submissions/my-net.zip"}]


@pytest.fixture
def comment(tmp_path):
    """Runs the script with answers of GitHub; what it does."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    (script,) = (step["with"]["script"] for step in STEPS if "script" in step.get("with", {}))

    def make(report=None, pulls=(PULL,), files=FILES, comments=()):
        folder = tmp_path / "report"
        folder.mkdir()
        for name, text in ({"number": "7\n", "pull_request.md": "the report"} if report is None else report).items():
            (folder / name).write_text(text)
        done = subprocess.run(
            [node, "-e", RUNNER],
            input=json.dumps({"pulls": pulls, "files": files, "comments": comments}),
            env={**os.environ, "SCRIPT": script, "REPORT": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return make


def test_the_report_of_a_sound_pull_request_becomes_a_comment(comment):
    assert comment() == [{"create": 7, "body": f"{MARK}the report"}]


def test_a_second_report_replaces_the_first(comment):
    others = [
        {"id": 1, "user": {"login": "someone"}, "body": MARK},
        {"id": 2, "user": {"login": "github-actions[bot]"}},
    ]
    others[1]["body"] = f"{MARK}old"
    assert comment(comments=others) == [{"update": 2, "body": f"{MARK}the report"}]


@pytest.mark.parametrize(
    "files",
    [
        [*FILES, {"status": "modified", "filename": ".github/workflows/submission.yml"}],
        [{"status": "modified", "filename": ".github/workflows/submission.yml"}],
        [{"status": "modified", "filename": "submissions/my-net.zip"}],
        [{"status": "renamed", "filename": "submissions/my-net.zip"}],
        [],
    ],
)
def test_a_report_that_the_pull_request_could_have_written_itself_is_not_believed(comment, files):
    (done,) = comment(files=files)
    assert "the report" not in done["body"]
    assert "This one was not checked" in done["body"]


@pytest.mark.parametrize(
    "pulls",
    [
        [PULL | {"head": {"sha": "newer"}}],
        [PULL | {"state": "closed"}],
        [PULL | {"base": {"ref": "another"}}],
        [PULL, PULL | {"head": {"sha": "newer"}}],
    ],
)
def test_a_report_of_another_commit_is_not_told(comment, pulls):
    assert [list(done) for done in comment(pulls=pulls)] == [["notice"]]


@pytest.mark.parametrize("number", ["", "0", "-1", "x", "1e400", "7; evil", "9" * 19])
def test_a_report_that_names_no_pull_request_fails(comment, number):
    assert [list(done) for done in comment({"number": number, "pull_request.md": "x"})] == [["failed"]]


def test_a_report_that_is_missing_or_too_long_is_not_posted(comment):
    (done,) = comment({"number": "7", "pull_request.md": "x" * 60_001})
    assert "was not checked" in done["body"]
