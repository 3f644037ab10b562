"""What the papers report, for the columns beside what is measured here."""

from __future__ import annotations

# Millions of parameters, face / voice / words: Wei et al. 2022, Table VIII; Jia et al. 2024, Table 5.
SIZES = {
    "fe2e": (10.71, 14.38, 11.69),
    "v2em": (7.72, 101.99, 11.69),
    "v2em-vgg-face": (10.71, 101.99, 11.69),
    "v2em-vgg-voice": (7.72, 14.38, 11.69),
}
# The same of the trunks alone, as Jia et al. count them.
TRUNKS = {"rfam-focal": (0.73, 49.89)}
# Seconds for a whole test set: Wei et al., Tables II and III; Jia et al., Tables 1–4, who ran the others again.
SECONDS = {
    "Wei, IEMOCAP": {"fe2e": 388.24, "v2em": 186.55, "v2em-vgg-face": 198.50, "v2em-vgg-voice": 249.42},
    "Wei, MOSEI": {"fe2e": 376.36, "v2em": 295.76, "v2em-vgg-face": 308.05, "v2em-vgg-voice": 297.62},
    "Jia, IEMOCAP": {"fe2e": 146.62, "v2em": 70.45, "rfam-focal": 66.35},
    "Jia, MOSEI": {"fe2e": 142.13, "v2em": 111.69, "rfam-focal": 69.99},
}
