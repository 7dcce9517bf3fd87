"""How the page looks: light, plain, and the same on paper."""

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
       color: #1c2126; background: #fff; max-width: 76rem; margin: 2.2rem auto 4rem;
       padding: 0 1.25rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 3rem 0 .6rem; padding-top: .9rem; border-top: 1px solid #d8dde3; }
h3 { font-size: 1.02rem; margin: 1.6rem 0 .4rem; }
p { margin: .4rem 0 .8rem; max-width: 62rem; }
.quiet, figcaption, caption { color: #55606b; font-size: .88rem; }
.lead { color: #55606b; margin: 0 0 1.2rem; }
.overview { font-size: 1.12rem; }
.unfinished { border-left: .3rem solid #b98900; background: #fff8e6; padding: .45rem .8rem; }
nav { font-size: .9rem; margin: .9rem 0 0; } nav a { margin-right: 1.1rem; }
a { color: #0b5c9e; }
table { border-collapse: collapse; }
caption { text-align: left; padding: 0 0 .35rem; }
th, td { padding: .36rem 1.1rem .36rem 0; text-align: left; vertical-align: baseline; }
.wide { overflow-x: auto; margin: .6rem 0 1.3rem; }
.figures { font-size: .92rem; width: 100%; }
.figures thead th { border-bottom: 2px solid #1c2126; vertical-align: bottom; line-height: 1.25;
                    font-size: .82rem; color: #55606b; font-weight: 600; }
.figures tbody th { font-weight: 500; overflow-wrap: anywhere; min-width: 9rem; }
.figures tbody tr > * { border-bottom: 1px solid #e4e8ec; }
.figures.narrow { width: auto; } .figures.narrow th, .figures.narrow td { padding-right: 2.2rem; }
.figures .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.figures thead .number { white-space: normal; }
.figures td { overflow-wrap: break-word; }
.figures small { display: block; color: #6a7580; font-size: .78rem; line-height: 1.25; }
.figures .repeated th { color: #9aa4ad; font-weight: 400; }
.figures .apart > * { color: #55606b; font-style: italic; background: #f6f7f9; }
.figures .apart > th { padding-left: .5rem; }
.claims { width: 100%; border: 1px solid #cfd6dd; border-radius: .5rem; border-spacing: 0;
          border-collapse: separate; overflow: hidden; margin: .8rem 0 .5rem; }
.claims thead th { background: #f2f5f8; font-size: .88rem; padding: .5rem .9rem; }
.claims tbody th { font-weight: 600; width: 34%; } .claims tbody th span { display: block;
          font-weight: 400; font-size: .85rem; color: #55606b; }
.claims tbody th, .claims td { padding: .65rem .9rem; border-top: 1px solid #e0e5ea;
          vertical-align: top; }
.claims td span { display: block; font-size: .85rem; color: #3d4750; line-height: 1.35; }
.claims td span.quiet { color: #6a7580; }
.claims .blind > * { border-top: 3px double #aab4bd; }
.badge { display: inline-block; font-size: .85rem; white-space: nowrap;
         padding: .08rem .6rem .1rem; border-radius: 1rem; margin: 0 .4rem .25rem 0;
         border: 1.5px solid currentColor; }
.claims .held { color: #0c5a2a; background: #e2f5e8; }
.claims .contradicted { color: #8f150c; background: #fde8e5; }
.claims .undecided { color: #5f4700; background: #fff3cf; }
.claims .not-run { color: #59636d; background: #f1f3f5; border-style: dashed; }
figure { margin: .8rem 0 1.6rem; } figure img { max-width: 100%; height: auto; display: block; }
figcaption { margin-top: .3rem; max-width: 62rem; overflow-wrap: anywhere; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr));
           gap: 1.2rem; } .gallery figure { margin: 0; }
details { margin: .4rem 0; border: 1px solid #d8dde3; border-radius: .4rem; padding: .4rem .8rem; }
summary { cursor: pointer; font-weight: 600; font-size: .95rem; }
code { font: .86rem/1.6 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.flags code { background: #f2f5f8; border-radius: .25rem; padding: .05rem .35rem;
              margin: 0 .25rem .25rem 0; display: inline-block; }
@media print {
  body { margin: 0; max-width: none; font-size: 10pt; } nav { display: none; }
  .badge, .claims thead th, .figures .apart > * { print-color-adjust: exact;
                                                  -webkit-print-color-adjust: exact; }
  figure, tr, .claims { break-inside: avoid; } h2, h3, caption { break-after: avoid; }
  .wide { overflow: visible; } .figures { font-size: 7.5pt; }
  .figures tbody th { min-width: 6rem; }
  .figures thead th, .figures small { font-size: 6.5pt; }
  .figures th, .figures td { padding-right: .5rem; }
}
"""
