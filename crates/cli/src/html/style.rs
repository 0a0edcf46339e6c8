//! The style of the page: light or dark as the reader's system, and readable on a phone.

pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--text:#1b1f24;--page:#fff;--faint:#59636e;--line:#d1d9e0;--bar:#3b6fb6;\
--good:#1a7f37;--warning:#9a6700;--bad:#cf222e;--unknown:#59636e}\
@media (prefers-color-scheme: dark){:root{--text:#e6edf3;--page:#0d1117;--faint:#9198a1;--line:#3d444d;--bar:#6ea8fe;\
--good:#3fb950;--warning:#d29922;--bad:#f85149;--unknown:#9198a1}}\
body{margin:0 auto;max-width:84rem;padding:1rem;font:1rem/1.5 system-ui,sans-serif;color:var(--text);background:var(--page)}\
h1{font-size:1.4rem;margin:0;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:2rem 0 .25rem;border-top:1px solid var(--line);padding-top:1rem}\
header p{color:var(--faint);margin:.25rem 0}p{overflow-wrap:anywhere}\
nav{display:flex;flex-wrap:wrap;gap:.5rem 1.25rem}a{color:inherit}\
.badge{font-size:.8rem;font-weight:600;border:1px solid;border-radius:1rem;padding:0 .5rem;white-space:nowrap}\
.good{color:var(--good)}.warning{color:var(--warning)}.bad{color:var(--bad)}.unknown{color:var(--unknown)}\
.wide{overflow-x:auto;margin:.75rem 0}table{border-collapse:collapse;font-size:.9rem;min-width:100%}\
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid var(--line)}\
th{color:var(--faint);font-weight:600;white-space:nowrap}.right{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}dt{color:var(--faint)}dd{margin:0;overflow-wrap:anywhere}\
h3{font-size:1rem;margin:1.25rem 0 .25rem}pre{overflow-x:auto}\
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,28rem),1fr));gap:0 2rem}figure{margin:.75rem 0;max-width:40rem}figcaption{color:var(--faint);font-size:.9rem}\
.bars{display:grid;grid-template-columns:minmax(0,12rem) minmax(4rem,1fr) max-content;gap:.3rem .75rem;align-items:center;font-size:.875rem}\
.bars .label{overflow-wrap:anywhere}.bars .figure{font-variant-numeric:tabular-nums}.bars svg{width:100%;height:.9rem;border-radius:3px}\
svg .track{fill:var(--line)}svg .bar{fill:var(--bar)}svg .bar.good{fill:var(--good)}svg .bar.warning{fill:var(--warning)}svg .bar.bad{fill:var(--bad)}\
.below td{overflow-wrap:anywhere}.name{color:var(--faint);font-weight:600}\
tbody tr:not(:last-child) td{border-bottom:0}\
@media (max-width: 44rem){.bars{grid-template-columns:minmax(0,1fr) max-content}.bars{grid-auto-flow:dense}.bars svg{grid-column:1/-1}.bars .label{grid-column:1}.bars .figure{grid-column:2}\
thead{display:none}table,tbody,tr,td{display:block}tbody{border-bottom:1px solid var(--line);padding:.4rem 0}td{border:0;padding:.1rem 0}\
td[data-name]{display:grid;grid-template-columns:8rem minmax(0,1fr);gap:.75rem;text-align:left;white-space:normal;overflow-wrap:anywhere}\
td[data-name]::before{content:attr(data-name);color:var(--faint)}\
dl{grid-template-columns:minmax(0,1fr)}dt{margin-top:.3rem}}";
