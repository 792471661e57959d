/* The XNNPACK delegate as the Android library has it by default: with the int8 and uint8 kernels. */
#ifndef MOBILEDEPLOY_XNNPACK_H
#define MOBILEDEPLOY_XNNPACK_H

#include <stdio.h>
#include <string.h>

#include "tflite_c.h"

/* Return NULL if the library's options have the layout that we write them in, else what differs.
 *
 * A wrong layout does not crash: the flags would not arrive, and int8 operators would silently run
 * on TensorFlow Lite's own kernels, which round otherwise. */
static const char* xnnpack_layout_problem(void) {
  static char text[200];
  unsigned char bytes[4096];
  size_t written = 0;
  if (strcmp(TfLiteVersion(), TFLITE_VERSION) != 0) {
    snprintf(text, sizeof text, "the shim is for TensorFlow Lite %s, this library is %s",
             TFLITE_VERSION, TfLiteVersion());
    return text;
  }
  memset(bytes, 0xA5, sizeof bytes);
  TfLiteXNNPackDelegateOptionsDefault(bytes);
  for (size_t i = 0; i < sizeof bytes; i++) {
    if (bytes[i] != 0xA5) written = i + 1;
  }
  if (written != sizeof(XnnpackOptions)) {
    snprintf(text, sizeof text, "XNNPACK's options have %zu bytes, expected %zu", written,
             sizeof(XnnpackOptions));
    return text;
  }
  for (size_t i = 0; i < written; i++) {
    if (bytes[i] != 0) {
      snprintf(text, sizeof text, "XNNPACK's options default to %d in byte %zu, expected 0",
               bytes[i], i);
      return text;
    }
  }
  return NULL;
}

static TfLiteDelegate* xnnpack_create(int threads) {
  XnnpackOptions options;
  TfLiteXNNPackDelegateOptionsDefault(&options);
  options.num_threads = threads;
  options.flags = kXnnpackQs8 | kXnnpackQu8;
  return TfLiteXNNPackDelegateCreate(&options);
}

#endif
