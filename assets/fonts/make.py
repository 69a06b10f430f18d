#!/usr/bin/env python3
"""Makes the text faces here from Debian's `fonts-inter` (needs fonttools).

egui lays text out without OpenType feature switches, and figures in tables must stand under each other. So the
tabular digits (feature `tnum`) are made the default ones, and the scripts that the window never shows are left out.
"""
import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

SOURCE = Path("/usr/share/fonts/opentype/inter")
RANGES = [(0x20, 0x7E), (0xA0, 0x24F), (0x2B0, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x1E00, 0x1EFF), (0x2000, 0x206F),
          (0x2070, 0x209F), (0x20A0, 0x20BF), (0x2100, 0x214F), (0x2190, 0x21FF), (0x2200, 0x22FF), (0x25A0, 0x25FF),
          (0x2700, 0x27BF), (0xFFFD, 0xFFFD)]

# Several cmap tables may share one dictionary, hence `get` below.
for weight in ["Regular", "SemiBold"]:
    font = TTFont(SOURCE / f"Inter-{weight}.otf")
    gsub = font["GSUB"].table
    lookups = {i for f in gsub.FeatureList.FeatureRecord if f.FeatureTag == "tnum" for i in f.Feature.LookupListIndex}
    tabular = {}
    for index in lookups:
        for table in gsub.LookupList.Lookup[index].SubTable:
            tabular.update(getattr(getattr(table, "ExtSubTable", table), "mapping", {}))
    for cmap in font["cmap"].tables:
        if cmap.isUnicode():
            for digit in map(ord, "0123456789"):
                cmap.cmap[digit] = tabular.get(cmap.cmap[digit], cmap.cmap[digit])
    options = subset.Options(layout_features=["kern", "mark", "mkmk", "ccmp", "locl"], hinting=True, name_IDs=["*"],
                             notdef_outline=True, glyph_names=False)
    cut = subset.Subsetter(options)
    cut.populate(unicodes=[c for a, b in RANGES for c in range(a, b + 1)])
    cut.subset(font)
    font.save(Path(sys.argv[0]).resolve().parent / f"Inter-{weight}.otf")
