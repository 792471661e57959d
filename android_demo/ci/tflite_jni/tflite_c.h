/* The part of TensorFlow Lite's C API that the shim calls, written down by hand: neither the AAR nor
 * the desktop library comes with complete headers. TfLiteVersion() says whose ABI this is. */
#ifndef MOBILEDEPLOY_TFLITE_C_H
#define MOBILEDEPLOY_TFLITE_C_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define TFLITE_VERSION "2.19.0"

typedef struct TfLiteModel TfLiteModel;
typedef struct TfLiteInterpreter TfLiteInterpreter;
typedef struct TfLiteInterpreterOptions TfLiteInterpreterOptions;
typedef struct TfLiteTensor TfLiteTensor;
typedef struct TfLiteDelegate TfLiteDelegate;
typedef struct {
  float scale;
  int32_t zero_point;
} TfLiteQuantizationParams;
typedef void (*TfLiteReporter)(void* user, const char* format, va_list args);

enum { kTfLiteOk = 0 };
enum { kTfLiteFloat32 = 1, kTfLiteUInt8 = 3, kTfLiteInt8 = 9 };

const char* TfLiteVersion(void);
int TfLiteSchemaVersion(void);

TfLiteModel* TfLiteModelCreateWithErrorReporter(const void* data, size_t size, TfLiteReporter, void*);
TfLiteModel* TfLiteModelCreateFromFileWithErrorReporter(const char* path, TfLiteReporter, void*);
void TfLiteModelDelete(TfLiteModel*);

TfLiteInterpreterOptions* TfLiteInterpreterOptionsCreate(void);
void TfLiteInterpreterOptionsDelete(TfLiteInterpreterOptions*);
void TfLiteInterpreterOptionsSetNumThreads(TfLiteInterpreterOptions*, int32_t);
void TfLiteInterpreterOptionsSetErrorReporter(TfLiteInterpreterOptions*, TfLiteReporter, void*);
void TfLiteInterpreterOptionsAddDelegate(TfLiteInterpreterOptions*, TfLiteDelegate*);

TfLiteInterpreter* TfLiteInterpreterCreate(const TfLiteModel*, const TfLiteInterpreterOptions*);
void TfLiteInterpreterDelete(TfLiteInterpreter*);
int TfLiteInterpreterAllocateTensors(TfLiteInterpreter*);
int TfLiteInterpreterInvoke(TfLiteInterpreter*);
int TfLiteInterpreterResizeInputTensor(TfLiteInterpreter*, int32_t, const int*, int32_t);
int32_t TfLiteInterpreterGetInputTensorCount(const TfLiteInterpreter*);
int32_t TfLiteInterpreterGetOutputTensorCount(const TfLiteInterpreter*);
TfLiteTensor* TfLiteInterpreterGetInputTensor(const TfLiteInterpreter*, int32_t);
const TfLiteTensor* TfLiteInterpreterGetOutputTensor(const TfLiteInterpreter*, int32_t);
const int* TfLiteInterpreterInputTensorIndices(const TfLiteInterpreter*);
const int* TfLiteInterpreterOutputTensorIndices(const TfLiteInterpreter*);
TfLiteTensor* TfLiteInterpreterGetTensor(const TfLiteInterpreter*, int);
int32_t TfLiteInterpreterGetSignatureCount(const TfLiteInterpreter*);
const char* TfLiteInterpreterGetSignatureKey(const TfLiteInterpreter*, int32_t);

const char* TfLiteTensorName(const TfLiteTensor*);
int TfLiteTensorType(const TfLiteTensor*);
int32_t TfLiteTensorNumDims(const TfLiteTensor*);
int32_t TfLiteTensorDim(const TfLiteTensor*, int32_t);
size_t TfLiteTensorByteSize(const TfLiteTensor*);
void* TfLiteTensorData(const TfLiteTensor*);
TfLiteQuantizationParams TfLiteTensorQuantizationParams(const TfLiteTensor*);

/* A signature has -1 where a size is free. Without one the library says it has -1 dimensions. */
int TfLiteOpaqueTensorGetNumDimsSignature(const TfLiteTensor*, int32_t* rank);
int TfLiteOpaqueTensorGetDimSignature(const TfLiteTensor*, int32_t, int32_t* size);

/* The delegate's options have no stable layout: this is version 2.19's. */
typedef struct {
  int32_t num_threads;
  uint32_t flags;
  void* weights_cache;
  uint64_t handle_variable_ops; /* a bool and its padding */
  const char* weight_cache_file_path;
} XnnpackOptions;

enum { kXnnpackQs8 = 1, kXnnpackQu8 = 2 };

/* C would return the struct through a hidden pointer, which x86-64 passes as the first argument.
 * Declared as what it is, it lets the caller see how many bytes the library writes. */
#if !defined(__x86_64__) || !defined(__linux__)
#error "the shim is for Linux on x86-64 only"
#endif
void* TfLiteXNNPackDelegateOptionsDefault(void* result);
TfLiteDelegate* TfLiteXNNPackDelegateCreate(const void* options);
void TfLiteXNNPackDelegateDelete(TfLiteDelegate*);

#endif
