"""push: a folder to a hub, where there is one."""

from __future__ import annotations

from pathlib import Path

from sparc3_bench.errors import Sparc3Error


def check_pushable(repo: str) -> None:
    """Refuse what cannot be pushed, before anything is computed."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo)
        named = "/" in repo
    except HFValidationError:
        named = False
    if not named:
        raise Sparc3Error(f"`--push` must name a repository as OWNER/NAME, got '{repo}'.")
    if constants.HF_HUB_OFFLINE:
        raise Sparc3Error(
            f"There is no hub to push to '{repo}', as HF_HUB_OFFLINE is set; unset it, or leave "
            "`--push` out."
        )


def push(folder: Path, repo: str) -> str:
    """Push a folder as a repository, which is made private where there is none; return where to."""
    from huggingface_hub import HfApi

    try:
        hub = HfApi()
        hub.create_repo(repo, private=True, exist_ok=True)
        done = hub.upload_folder(
            repo_id=repo, folder_path=folder, commit_message="A pruned model, with its report"
        )
    except Exception as error:  # the hub's client raises a dozen kinds
        first = (str(error).splitlines() or [""])[0].rstrip(".")
        raise Sparc3Error(
            f"{folder} is written, and the hub did not take it ({type(error).__name__}: {first}); "
            f"`hf upload {repo} {folder}` tries again."
        ) from None
    return str(done)
