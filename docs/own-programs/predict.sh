#!/bin/sh
# predict.sh MODEL_FOLDER ROWS.csv OUTPUT.csv FEATURE
awk -F, -v feature="$4" '
    FNR == NR { best[$1] = $2; sure[$1] = $3; next }
    FNR == 1  { for (i = 1; i <= NF; i++) if ($i == feature) column = i; print "id,prediction,confidence"; next }
              { bin = int($column / 16); print $1 "," best[bin] "," sure[bin] }
' "$1/rule.csv" "$2" > "$3"
