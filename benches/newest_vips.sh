# The newest libvips as a command, for the scripts beside this, which set $work, a temporary directory: Debian's is years
# older. It comes from the wheel of pyvips-binary; a small program does what the command `vips` of that release does.
#
# Needs, from Debian: gcc python3-venv

# newest_vips PROGRAM: makes the program. Options of an operation (`--min-ampl 0.01`) have two words each.
newest_vips() {
  local program=$1 library
  python3 -m venv "$work/vips"
  "$work/vips/bin/pip" install --quiet "pyvips-binary==8.18.7"
  library=$(ls "$work"/vips/lib/python3*/site-packages/pyvips_binary.libs/libvips*.so.42)
  gcc -O2 -x c - -x none -o "$program" "$library" -Wl,-rpath,"$(dirname "$library")" <<'C'
#include <stdio.h>
#include <string.h>

typedef struct _VipsOperation VipsOperation;
int vips_init(const char *);
VipsOperation *vips_operation_new(const char *);
int vips_object_set_argument_from_string(void *, const char *, const char *);
int vips_call_argv(VipsOperation *, int, char **);
const char *vips_error_buffer(void);
void vips_shutdown(void);
void g_object_unref(void *);

int main(int argc, char **argv) {
  if (argc < 3 || vips_init(argv[0])) return 2;
  VipsOperation *operation = vips_operation_new(argv[1]);
  int failed = !operation, count = 0;
  for (int at = 2; at < argc && !failed; at++) {
    if (strncmp(argv[at], "--", 2) || at + 1 == argc) {
      argv[count++] = argv[at];
    } else {
      failed = vips_object_set_argument_from_string(operation, argv[at] + 2, argv[at + 1]);
      at++;
    }
  }
  if (failed || vips_call_argv(operation, count, argv)) {
    fputs(vips_error_buffer(), stderr);
    return 1;
  }
  g_object_unref(operation);
  vips_shutdown();
  return 0;
}
C
}
