#!/bin/sh
# One feature decides: the most frequent class in each sixteenth of its range. train.sh ROWS.csv MODEL_FOLDER FEATURE
awk -F, -v feature="$3" '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == feature) column = i; else if ($i == "label") label = i
              if (!column) { print "there is no feature " feature > "/dev/stderr"; exit 1 }; next }
            { bin = int($column / 16); rows[bin]++; seen[bin, $label]++; names[$label] }
    END     { for (bin = 0; bin < 16; bin++) {
                  most = 0
                  for (name in names) if (seen[bin, name] > most || (seen[bin, name] == most && name < best)) {
                      most = seen[bin, name]; best = name }
                  print bin "," best "," (rows[bin] ? most / rows[bin] : 0) } }
' "$1" > "$2/rule.csv"
