"""`ASRModelExport` and `TTSModelExport` as espnet_onnx 0.2.1 had them (needs torch)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .dropin import bundle_folder
from .errors import InputError
from .export import Exported, export

__all__ = ["ASRModelExport", "TTSModelExport"]


class ASRModelExport:
    """espnet_onnx 0.2.1's exporter: writes a bundle named by a tag into the cache folder.

    Args:
        cache_dir: the cache folder, else $ESPNET_ONNX_CACHE or the user's cache.
        convert_map: accepted for old calls and not used; plugins found by entry point replace it.
    """

    def __init__(
        self, cache_dir: str | Path | None = None, convert_map: str | Path | None = None
    ) -> None:
        self._cache = cache_dir
        self._options: dict[str, Any] = {}

    def set_export_config(self, **options: Any) -> None:
        """Set options of `espnet_onnx.export.export` for the exports that follow.

        Raises:
            InputError: an option of 0.2.1 that no longer means anything.
        """
        known = {
            "decoding",
            "keep_going",
            "keep_slower",
            "overwrite",
            "threads",
            "prefer",
            "vocoder",
        }
        unknown = sorted(set(options) - known)
        if unknown:
            raise InputError(
                f"export options {', '.join(unknown)} do not exist: use {', '.join(sorted(known))}"
            )
        self._options.update(options)

    def export(
        self,
        model: Any,
        tag_name: str | None = None,
        quantize: bool = False,
        optimize: bool = False,
        verbose: bool = False,
    ) -> Exported:
        """Export a live ESPnet `Speech2Text` with its own search settings.

        Args:
            model: the live object; a folder, zip or tag works as well.
            tag_name: what `Speech2Text(tag_name)` finds it by; None takes the time.
            quantize: also make int8.
            optimize: accepted for old calls; graphs are always fused.
            verbose: print each step.
        """
        tag = tag_name or datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
        options: Mapping[str, Any] = {"overwrite": True, **self._options}
        return export(
            model,
            bundle_folder(tag, self._cache),
            precision=("fp32", "int8") if quantize else ("fp32",),
            progress=print if verbose else lambda step: None,
            **options,
        )

    def export_from_pretrained(
        self, tag_name: str, quantize: bool = False, optimize: bool = False, **_: Any
    ) -> Exported:
        """Export a zoo model by its tag."""
        return self.export(tag_name, tag_name, quantize, optimize)

    def export_from_zip(
        self, path: str | Path, tag_name: str, quantize: bool = False, optimize: bool = False
    ) -> Exported:
        """Export a packed ESPnet zip."""
        return self.export(str(path), tag_name, quantize, optimize)


class TTSModelExport(ASRModelExport):
    """The same for `Text2Speech`, whose vocoder comes along where ESPnet makes it itself.

    A trained vocoder's config is lost in a live object: give `vocoder` by `set_export_config`.
    """
