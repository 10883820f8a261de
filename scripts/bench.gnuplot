# SPDX-License-Identifier: GPL-2.0-only
# Copyright the dma-buf project authors
#
# Draws bench.svg and bench.png from bench.dat in the current directory. The bar
# of a case shows mainline's cost divided by ours, at the largest size.
stats 'bench.dat' using 2 nooutput
rows = STATS_records
set style fill solid
set boxwidth 0.7
set yrange [-1:rows]
set logscale x
set xrange [*<0.5:*]
set xlabel 'mainline divided by ours (above 1: ours is faster)'
set grid xtics
set tics nomirror
set ytics font ',9' noenhanced
set lmargin 34
set arrow from 1, graph 0 to 1, graph 1 nohead lw 2 lc rgb '#444444' front
color(x) = x < 1 / 1.03 ? 0xc0392b : x > 1.03 ? 0x2e86c1 : 0x999999
unset key
height = 120 + 16 * rows

set terminal svg size 900, height dynamic background rgb 'white' font 'sans,11'
set output 'bench.svg'
plot 'bench.dat' using (1):0:(1):2:($0 - 0.35):($0 + 0.35):(color($2)):ytic(1) with boxxyerror lc rgb variable

set terminal pngcairo size 900, height background rgb 'white' font 'sans,9'
set output 'bench.png'
replot
set output
