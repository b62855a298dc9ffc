"""The style of charts in a page, light and dark."""

STYLE = """
.nas{--c0:#1565c0;--c1:#b85c00;--c2:#2e7d32;--c3:#8e24aa;--c4:#c62828;--c5:#00796b;
--cloud:#8a8f98;--grid:#d9dce1;--text:#1d2129;--soft:#59606b;--back:#fff;color-scheme:light dark}
@media(prefers-color-scheme:dark){.nas{--c0:#6db3ff;--c1:#ffb05c;--c2:#7ed184;--c3:#d79be8;
--c4:#ff8a80;--c5:#5ed3c4;--cloud:#7b828d;--grid:#353b45;--text:#e6e8eb;--soft:#a3abb7;
--back:#14171c}}
.nas svg{display:block;max-width:100%;height:auto;font:12px system-ui,sans-serif;overflow:visible}
.nas svg text{fill:var(--soft)}.nas svg text.strong{fill:var(--back)}
.nas .c0{--c:var(--c0)}.nas .c1{--c:var(--c1)}.nas .c2{--c:var(--c2)}
.nas .c3{--c:var(--c3)}.nas .c4{--c:var(--c4)}.nas .c5{--c:var(--c5)}
.nas .grid{stroke:var(--grid)}.nas .axis{stroke:var(--soft)}.nas .dashed{stroke-dasharray:5 4}
.nas .line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}
.nas .band{fill:var(--c);opacity:.18}.nas .bar{stroke:var(--c);opacity:.45}
.nas .point{fill:var(--c);stroke:var(--back);stroke-width:1}
.nas .point[data-tip]{cursor:pointer}
.nas .point:hover,.nas .point:focus,.nas .point.chosen{stroke:var(--text);stroke-width:2.5}
.nas .point:focus{outline:none}
.nas path.cloud{fill:none;stroke:var(--cloud);stroke-width:4;stroke-linecap:round;opacity:.45}
.nas rect{fill:var(--c0)}.nas rect.wrong{fill:var(--c4)}
.nas .legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;margin:.2rem 0 .4rem;
padding:0;font-size:.85rem;color:var(--soft)}
.nas .legend li::before{content:"";display:inline-block;width:.7em;height:.7em;margin-right:.4em;
background:var(--c);border-radius:50%}
.nas .legend li.c1::before{border-radius:0;transform:rotate(45deg) scale(.85)}
.nas .legend li.c2::before{border-radius:0}
.nas .legend li.c3::before{border-radius:0;clip-path:polygon(50% 0,100% 100%,0 100%)}
.nas .legend li.cloud::before{background:var(--cloud);transform:none;border-radius:50%}
"""
