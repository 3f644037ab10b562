"""What may be opened at all, and the sentences that say why something was not."""

from __future__ import annotations

import os
import stat

from fv2es.limits import Limits

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,ogg,wav,mp3,flac"
DECODERS = (
    "h264,hevc,vp8,vp9,libvpx,libvpx-vp9,av1,libdav1d,libaom-av1,mpeg1video,mpeg2video,mpegvideo,mpeg4,h263,h263p,"
    "mjpeg,theora,prores,msmpeg4v3,rawvideo,aac,aac_latm,mp1,mp1float,mp2,mp2float,mp3,mp3float,opus,libopus,vorbis,"
    "libvorbis,flac,alac,ac3,eac3,amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,adpcm_ms,adpcm_ima_wav,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_u8,"
    "pcm_s8,pcm_alaw,pcm_mulaw"
)
LONGER_SIDE = 1280  # pixels of a frame that is handed on
LONGEST_BLOCK = 1.0  # seconds of sound that are handed on at once

UNREADABLE = "This file could not be read as a video, a sound or a picture."
NOTHING_DECODED = "Nothing in this file could be decoded."
DAMAGED = "Parts of this file are damaged; what could be decoded was read."
TOO_SLOW = "This file takes too long to decode."
TOO_SLOW_TAIL = "The file took too long to decode, so the rest of it was skipped."
TOO_BIG = "Decoding this file takes more memory than a file may have."
TOO_BIG_TAIL = "Decoding the rest of this file takes more memory than a file may have, so it was skipped."
CRASHED = "This file is damaged in a way that ends its decoder."
CRASHED_TAIL = "This file is damaged in a way that ended its decoder, so the rest of it was skipped."


class MediaError(ValueError):
    """A file cannot be used; the message is one sentence for the person who chose it."""


def check_file(path: str | os.PathLike[str], limits: Limits) -> None:
    """A regular file of a size that is read, before anything looks into it. Raises MediaError."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise MediaError("There is no such file.") from error
    if not stat.S_ISREG(status.st_mode):
        raise MediaError("This is not a file.")
    if status.st_size > limits.max_bytes:
        raise MediaError(f"This file has more than {limits.max_bytes / 1e6:.0f} MB, which is too large.")
    if status.st_size == 0:
        raise MediaError("This file is empty.")


def check_size(width: int, height: int, limits: Limits) -> None:
    """Pixels of a picture. Raises MediaError."""
    longer, shorter = max(width, height), min(width, height)
    if longer > max(limits.max_width, limits.max_height) or shorter > min(limits.max_width, limits.max_height):
        raise MediaError(
            f"This file's pictures have {width}×{height} pixels; at most "
            f"{limits.max_width:g}×{limits.max_height:g} are read."
        )
