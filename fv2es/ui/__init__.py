"""The web page: Gradio Blocks that fold `pipeline.analyse` into views."""

from fv2es.ui.page import build_demo
from fv2es.ui.theme import launch_options

__all__ = ["build_demo", "launch_options"]
