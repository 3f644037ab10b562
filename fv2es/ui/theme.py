"""The page's look: quiet paper and ink, system fonts, nothing fetched from elsewhere. The rest is in `style.css`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradio as gr

from fv2es.ui.jobs import health
from fv2es.ui.metrics import metrics

FOLDER = Path(__file__).parent
STYLES = [FOLDER / "style.css", FOLDER / "tabs.css"]
SCRIPT = FOLDER / "page.js"
VISITORS = 1000  # whose pages are remembered at once, at 170 kB each and what they show
_INK = gr.themes.Color(
    "#f1f4f8", "#e2e8f0", "#c8d4e3", "#a3b6cf", "#7a94b6", "#57759d",
    "#425f86", "#354d6d", "#2a3d57", "#1f2e43", "#141f2f", name="ink",
)  # fmt: skip
_PAPER = gr.themes.Color(
    "#faf9f6", "#f3f1ec", "#e6e3db", "#d2cec4", "#a5a198", "#77746d",
    "#5b5953", "#45443f", "#2c2c2a", "#1e1f1f", "#151617", name="paper",
)  # fmt: skip


def theme() -> gr.themes.Base:
    """Built when it is asked for, so that importing this costs nothing."""
    return gr.themes.Base(
        primary_hue=_INK,
        secondary_hue=_INK,
        neutral_hue=_PAPER,
        radius_size=gr.themes.sizes.radius_lg,
        font=["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_radius="12px",
        block_shadow="none",
        block_shadow_dark="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_400",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_300",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
        input_background_fill="white",
        input_background_fill_dark="*neutral_950",
        input_border_color="*neutral_500",
        input_border_color_dark="*neutral_500",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_500",
        button_primary_background_fill="*primary_800",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_300",
        button_primary_background_fill_hover_dark="*primary_200",
        button_primary_text_color="white",
        button_primary_text_color_dark="*neutral_950",
        button_secondary_background_fill="white",
        button_secondary_background_fill_dark="*neutral_900",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_border_width="1px",
        button_large_text_weight="600",
    )


def launch_options(demo: Any) -> dict[str, Any]:
    """What `launch` needs to show the page of `build_demo` as it is meant."""
    return {
        "mcp_server": find_spec("mcp") is not None,  # the extra `gradio[mcp]`
        "theme": theme(),
        "css_paths": STYLES,
        "head": f"<script>{SCRIPT.read_text(encoding='utf-8')}</script>",
        "i18n": demo.words.i18n,
        "footer_links": ["api"],
        "allowed_paths": [str(demo.examples)],  # wherever the server was started
        "state_session_capacity": VISITORS,
        "app_kwargs": {"routes": [health(demo), metrics(demo)]},
    }
