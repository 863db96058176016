"""How a report looks, in light and in dark. Colours of the series keep their contrast in both."""

STYLE = """
:root { --page:#f6f5f1; --card:#fff; --ink:#1d1f23; --soft:#63676f; --rule:#e3e1da; --track:#eceae4;
  --s0:#1f6feb; --s1:#d9730d; --s2:#2f8f5b; --s3:#8a4fc7; --user:#f1f0ec; --agent:#e8f0fe; --good:#2f8f5b; --bad:#b3402e; }
@media (prefers-color-scheme: dark) { :root { --page:#14161a; --card:#1c1f25; --ink:#e8e9ec; --soft:#9aa0aa; --rule:#2c3038;
  --track:#2a2e36; --s0:#6ea8ff; --s1:#f0a35e; --s2:#63c290; --s3:#bf94f2; --user:#23272e; --agent:#1e2c45; --good:#63c290; --bad:#ef8371; } }
* { box-sizing:border-box }
body { margin:0; background:var(--page); color:var(--ink); font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif }
main { max-width:1180px; margin:0 auto; padding:40px 24px 80px }
h1 { font-size:30px; line-height:1.2; margin:0 0 6px; letter-spacing:-.02em } h2 { font-size:19px; margin:44px 0 14px; letter-spacing:-.01em }
h3 { font-size:14px; margin:0 0 2px; font-weight:600 } p { margin:0 0 10px } .soft { color:var(--soft) } code, pre { font:12.5px/1.5 ui-monospace,Menlo,Consolas,monospace }
.chips { display:flex; flex-wrap:wrap; gap:8px; margin:14px 0 0 } .chip { background:var(--card); border:1px solid var(--rule); border-radius:99px; padding:3px 12px; font-size:13px }
.chip b { font-weight:600 } .hero { display:grid; grid-template-columns:repeat(auto-fit,minmax(200px,1fr)); gap:16px; margin-top:28px }
.card { background:var(--card); border:1px solid var(--rule); border-radius:14px; padding:18px 20px }
.tile .what { color:var(--soft); font-size:13px } .tile .big { font-size:34px; font-weight:650; letter-spacing:-.03em; line-height:1.25; font-variant-numeric:tabular-nums }
.tile .range { font-size:13px; color:var(--soft); font-variant-numeric:tabular-nums } .good { color:var(--good) } .bad { color:var(--bad) }
table { border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums } th { text-align:left; font-weight:600; font-size:13px; color:var(--soft) }
td, th { padding:8px 14px 8px 0; border-bottom:1px solid var(--rule); vertical-align:middle } tr:last-child td { border-bottom:0 }
.curves { display:grid; grid-template-columns:repeat(auto-fill,minmax(320px,1fr)); gap:16px } .card svg { width:100%; height:auto; display:block; margin-top:8px }
svg.bar { width:220px; height:22px; margin:0 } .wide { overflow-x:auto }
.grid { stroke:var(--rule) } .tick { fill:var(--soft); font-size:10.5px } .line { fill:none; stroke-width:1.8; stroke-linejoin:round } .hit { fill:transparent; stroke:none }
.line.series-0 { stroke:var(--s0) } .line.series-1 { stroke:var(--s1) } .line.series-2 { stroke:var(--s2) } .line.series-3 { stroke:var(--s3) }
.dot.series-0, .fill.series-0 { fill:var(--s0) } .dot.series-1, .fill.series-1 { fill:var(--s1) } .dot.series-2, .fill.series-2 { fill:var(--s2) } .dot.series-3 { fill:var(--s3) }
.line.faint { opacity:.35; stroke-width:1.2 } .track { fill:var(--track) } .whisker { stroke:var(--ink); stroke-width:1.4 }
.legend { display:flex; flex-wrap:wrap; gap:4px 14px; font-size:12px; color:var(--soft) } .legend i { display:inline-block; width:10px; height:10px; border-radius:3px; margin-right:5px }
.pair { display:grid; grid-template-columns:repeat(auto-fit,minmax(340px,1fr)); gap:16px; margin-bottom:16px } .pair h3 { display:flex; justify-content:space-between }
.said { border-radius:10px; padding:7px 11px; margin:7px 0 0; white-space:pre-wrap; overflow-wrap:anywhere; font:12.5px/1.5 ui-monospace,Menlo,Consolas,monospace }
.user { background:var(--user); margin-right:28px } .agent { background:var(--agent); margin-left:28px } .agent.invalid { outline:1px solid var(--bad) }
details { margin-top:10px } summary { cursor:pointer; color:var(--soft) } pre { background:var(--user); border-radius:10px; padding:14px; overflow:auto; max-height:420px }
footer { margin-top:44px; color:var(--soft); font-size:13px } .empty { color:var(--soft) }
"""
