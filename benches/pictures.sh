# For the scripts beside this, which set $work, a temporary directory.

# A photograph-like picture: smooth shapes, texture and sensor noise, from fixed seeds.
make_picture() {
  local width=$1 height=$2 out=$3 v="$work/v"
  vips perlin "$v-shape.v" "$width" "$height" --cell-size 512 --seed 1
  vips perlin "$v-texture.v" "$width" "$height" --cell-size 24 --seed 2
  vips gaussnoise "$v-noise.v" "$width" "$height" --mean 0 --sigma 3 --seed 3
  vips linear "$v-shape.v" "$v-red.v" 90 128
  vips linear "$v-texture.v" "$v-green.v" 40 110
  vips add "$v-red.v" "$v-green.v" "$v-mix.v"
  vips linear "$v-mix.v" "$v-half.v" 0.5 0
  vips add "$v-half.v" "$v-noise.v" "$v-grain.v"
  vips bandjoin "$v-red.v $v-grain.v $v-half.v" "$v-rgb.v"
  vips cast "$v-rgb.v" "$v-bytes.v" uchar
  vips copy "$v-bytes.v" "$v-srgb.v" --interpretation srgb
  vips copy "$v-srgb.v" "$out[Q=92]"
  rm -f "$v"-*.v
}
