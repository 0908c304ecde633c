# Another version, while a job is in work.
# shellcheck shell=bash disable=SC2154

tilemill run large.bmp -o large.expected.png --filters denoise
tilemill submit large.bmp -o large.png --filters denoise --tile-size 64 >submit.log 2>&1 &
submitted=$!
until says '"large.bmp"'; do sleep 0.1; done
# Step by step, so that it is still in work when all are told to stop.
worker=$(pid tilemill-work@1)
until kill -STOP "$worker" && says '"tiles_done":[1-9]'; do
  kill -CONT "$worker"
  sleep 0.2
done
says '"status":"processing"'
before=$(pids)
package install ./tilemill_2.deb
active "${roles[@]}"
[ "$(sort <<<"$before"$'\n'"$(pids)" | uniq | wc -l)" = 8 ]
inactive tilemill-work@2
wait "$submitted" || { cat submit.log; false; }
cmp large.png large.expected.png
cmp /etc/tilemill/config.toml changed.toml
[ "$(stat -c '%a %U %G' /etc/tilemill/config.toml)" = "640 root tilemill" ]
echo "upgraded: what ran was started again, and a job in work went on to the bytes of a run"
