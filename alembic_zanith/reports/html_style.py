"""How the page of the history looks: light and dark, on a phone, and printed."""

STYLE = """
:root{--bg:#f6f7f9;--card:#fff;--ink:#1c2330;--muted:#5b6576;--line:#dfe3ea;--accent:#2f5fd0;
--good:#1a7f4b;--bad:#b3261e;--warn:#8a5a00;--other:#5b6576;
--safe:#2e9e6b;--low:#6fae3d;--medium:#d9a200;--high:#dd6b20;--destructive:#c53030;--blocked:#7b1fa2}
@media (prefers-color-scheme:dark){:root{--bg:#12151b;--card:#1b2029;--ink:#e8ebf1;--muted:#9aa5b8;
--line:#2c3340;--accent:#8db0ff;--good:#5fd39a;--bad:#ff8a80;--warn:#f2c14e;--other:#9aa5b8;
--safe:#4cc38a;--low:#8fce5d;--medium:#f2c14e;--high:#ff9c5a;--destructive:#ff7b72;--blocked:#ce93d8}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
header,main{max-width:1080px;margin:0 auto;padding:0 20px}
header{padding-top:32px;padding-bottom:8px}
.kicker{margin:0;color:var(--accent);font-weight:600;letter-spacing:.02em;font-size:13px}
h1{margin:2px 0;font-size:30px;line-height:1.2;overflow-wrap:anywhere}
h2{margin:0 0 12px;font-size:18px}
.muted,.none{color:var(--muted);margin:0 0 12px}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px;
margin:16px 0;break-inside:avoid}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:12px;padding:0;
background:none;border:0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px}
.tile b{display:block;font-size:24px;line-height:1.25}
.tile span{color:var(--muted);font-size:13px}
.tile.bad b{color:var(--bad)}.tile.good b{color:var(--good)}
svg{display:block;width:100%;height:auto}
svg text{fill:var(--muted);font-size:13px}
svg .axis{stroke:var(--line);stroke-width:2}
g line{stroke:currentColor;stroke-width:2;opacity:.55}g circle{fill:currentColor}
.succeeded{color:var(--good)}.failed{color:var(--bad)}.refused{color:var(--warn)}
.rolled-back,.other{color:var(--other)}
.safe{fill:var(--safe)}.low{fill:var(--low)}.medium{fill:var(--medium)}.high{fill:var(--high)}
.destructive{fill:var(--destructive)}.blocked{fill:var(--blocked)}
.legend{margin:8px 0 0;font-size:13px;display:flex;gap:16px;flex-wrap:wrap}
.legend .muted{margin:0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;min-width:620px;font-size:14px}
th,td{text-align:left;padding:7px 14px 7px 0;border-bottom:1px solid var(--line);vertical-align:top;
overflow-wrap:anywhere}
th{color:var(--muted);font-weight:600;font-size:12.5px;white-space:nowrap}
tbody tr:last-child td{border-bottom:0}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.badge{display:inline-block;border:1px solid currentColor;border-radius:999px;padding:0 9px;
font-size:12.5px;white-space:nowrap}
@media print{body{background:#fff}section,.tile{border-color:#bbb}}
"""
