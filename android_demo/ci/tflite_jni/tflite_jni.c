/* The native methods of `org.tensorflow.lite` 2.16.1, the AAR's own Java classes, on the C API of a
 * desktop TensorFlow Lite: with it the app's engine class runs unchanged on a desktop's JVM.
 *
 * For tests only. A native method that is not here (signatures, cancellation, other delegates,
 * scalars) throws UnsatisfiedLinkError: nothing is pretended. */
#include <jni.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tflite_c.h"
#include "xnnpack.h"

#define INTERPRETER(type, name) \
  JNIEXPORT type JNICALL Java_org_tensorflow_lite_NativeInterpreterWrapper_##name
#define TENSOR(type, name) JNIEXPORT type JNICALL Java_org_tensorflow_lite_TensorImpl_##name
#define FACTORY(type, name) \
  JNIEXPORT type JNICALL Java_org_tensorflow_lite_InterpreterFactoryImpl_##name
#define UNUSED(x) (void)(x)

static const char kIllegalArgument[] = "java/lang/IllegalArgumentException";
static const char kIllegalState[] = "java/lang/IllegalStateException";

/* What the library reported since the last exception. */
typedef struct {
  char text[2048];
} Report;

typedef struct {
  TfLiteInterpreter* tflite;
  TfLiteInterpreterOptions* options;
  TfLiteDelegate* xnnpack; /* NULL without XNNPACK */
} Interpreter;

/* By index, not by address: allocating moves tensors. */
typedef struct {
  const Interpreter* interpreter;
  int index;
} Tensor;

/* Of our own, since the JVM would else find that of the desktop library, which looks for JavaCPP. */
JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM* vm, void* reserved) {
  UNUSED(vm), UNUSED(reserved);
  return JNI_VERSION_1_6;
}

JNIEXPORT void JNICALL JNI_OnUnload(JavaVM* vm, void* reserved) { UNUSED(vm), UNUSED(reserved); }

static void report(void* user, const char* format, va_list args) {
  Report* said = user;
  size_t used = strlen(said->text);
  vsnprintf(said->text + used, sizeof said->text - used, format, args);
}

static void throw(JNIEnv* env, const char* class, const char* what, jlong handle) {
  Report* said = (Report*)handle;
  char message[2400];
  snprintf(message, sizeof message, "Internal error: %s: %s", what, said ? said->text : "");
  if (said) said->text[0] = '\0';
  (*env)->ThrowNew(env, (*env)->FindClass(env, class), message);
}

/* ---- the library ---- */

JNIEXPORT void JNICALL Java_org_tensorflow_lite_TensorFlowLite_nativeDoNothing(JNIEnv* env,
                                                                              jclass c) {
  UNUSED(env), UNUSED(c);
}

FACTORY(jstring, nativeRuntimeVersion)(JNIEnv* env, jclass c) {
  UNUSED(c);
  return (*env)->NewStringUTF(env, TfLiteVersion());
}

FACTORY(jstring, nativeSchemaVersion)(JNIEnv* env, jclass c) {
  char text[12];
  UNUSED(c);
  snprintf(text, sizeof text, "%d", TfLiteSchemaVersion());
  return (*env)->NewStringUTF(env, text);
}

/* ---- models and interpreters ---- */

INTERPRETER(jlong, createErrorReporter)(JNIEnv* env, jclass c, jint size) {
  UNUSED(env), UNUSED(c), UNUSED(size);
  return (jlong)calloc(1, sizeof(Report));
}

static jlong checked_model(JNIEnv* env, TfLiteModel* model, jlong said) {
  if (!model) throw(env, kIllegalArgument, "The model is not a valid Flatbuffer", said);
  return (jlong)model;
}

INTERPRETER(jlong, createModel)(JNIEnv* env, jclass c, jstring name, jlong said) {
  const char* path = (*env)->GetStringUTFChars(env, name, NULL);
  UNUSED(c);
  if (!path) return 0;
  TfLiteModel* model = TfLiteModelCreateFromFileWithErrorReporter(path, report, (void*)said);
  (*env)->ReleaseStringUTFChars(env, name, path);
  return checked_model(env, model, said);
}

INTERPRETER(jlong, createModelWithBuffer)(JNIEnv* env, jclass c, jobject buffer, jlong said) {
  const void* data = (*env)->GetDirectBufferAddress(env, buffer);
  size_t size = (size_t)(*env)->GetDirectBufferCapacity(env, buffer);
  UNUSED(c);
  return checked_model(env, TfLiteModelCreateWithErrorReporter(data, size, report, (void*)said),
                       said);
}

static void delete_interpreter(Interpreter* interpreter) {
  if (interpreter->tflite) TfLiteInterpreterDelete(interpreter->tflite);
  if (interpreter->xnnpack) TfLiteXNNPackDelegateDelete(interpreter->xnnpack);
  TfLiteInterpreterOptionsDelete(interpreter->options);
  free(interpreter);
}

INTERPRETER(jlong, createInterpreter)(JNIEnv* env, jclass c, jlong model, jlong said, jint threads,
                                      jboolean xnnpack, jobject delegates) {
  const char* problem = xnnpack_layout_problem();
  UNUSED(c), UNUSED(delegates); /* Java lists here those that Options.addDelegate was given */
  if (problem) {
    throw(env, kIllegalState, problem, said);
    return 0;
  }
  Interpreter* made = calloc(1, sizeof *made);
  made->options = TfLiteInterpreterOptionsCreate();
  TfLiteInterpreterOptionsSetNumThreads(made->options, threads);
  TfLiteInterpreterOptionsSetErrorReporter(made->options, report, (void*)said);
  if (xnnpack) {
    made->xnnpack = xnnpack_create(threads);
    if (made->xnnpack) TfLiteInterpreterOptionsAddDelegate(made->options, made->xnnpack);
  }
  if (!xnnpack || made->xnnpack) {
    made->tflite = TfLiteInterpreterCreate((TfLiteModel*)model, made->options);
  }
  if (!made->tflite) {
    delete_interpreter(made);
    throw(env, kIllegalArgument, "Cannot create interpreter", said);
    return 0;
  }
  return (jlong)made;
}

INTERPRETER(jlong, allocateTensors)(JNIEnv* env, jclass c, jlong handle, jlong said) {
  int status = TfLiteInterpreterAllocateTensors(((Interpreter*)handle)->tflite);
  UNUSED(c);
  if (status != kTfLiteOk) throw(env, kIllegalState, "Cannot allocate tensors", said);
  return status;
}

INTERPRETER(void, run)(JNIEnv* env, jclass c, jlong handle, jlong said) {
  UNUSED(c);
  if (TfLiteInterpreterInvoke(((Interpreter*)handle)->tflite) != kTfLiteOk) {
    throw(env, kIllegalArgument, "Failed to run on the given Interpreter", said);
  }
}

/* Return whether the shape changed. */
INTERPRETER(jboolean, resizeInput)(JNIEnv* env, jclass c, jlong handle, jlong said, jint input,
                                   jintArray shape, jboolean strict) {
  TfLiteInterpreter* tflite = ((Interpreter*)handle)->tflite;
  const TfLiteTensor* tensor = TfLiteInterpreterGetInputTensor(tflite, input);
  jsize rank = (*env)->GetArrayLength(env, shape);
  jint dims[8];
  UNUSED(c);
  if (strict || rank > 8) {
    throw(env, kIllegalArgument, "A strict resize, or one to more than 8 dimensions", said);
    return JNI_FALSE;
  }
  (*env)->GetIntArrayRegion(env, shape, 0, rank, dims);
  jboolean changed = TfLiteTensorNumDims(tensor) != rank;
  for (jsize k = 0; !changed && k < rank; k++) changed = TfLiteTensorDim(tensor, k) != dims[k];
  if (changed && TfLiteInterpreterResizeInputTensor(tflite, input, dims, rank) != kTfLiteOk) {
    throw(env, kIllegalArgument, "Failed to resize the input", said);
  }
  return changed;
}

INTERPRETER(void, delete)(JNIEnv* env, jclass c, jlong said, jlong model, jlong handle) {
  UNUSED(env), UNUSED(c);
  if (handle) delete_interpreter((Interpreter*)handle);
  if (model) TfLiteModelDelete((TfLiteModel*)model);
  free((void*)said);
}

/* Closing always asks for this, and without setCancellable there is no flag. */
INTERPRETER(jlong, deleteCancellationFlag)(JNIEnv* env, jclass c, jlong flag) {
  UNUSED(c);
  if (flag) throw(env, kIllegalState, "the shim has no cancellation", 0);
  return 0;
}

/* The desktop library has no TensorFlow operators: a model with any is refused when it is made. */
INTERPRETER(jboolean, hasUnresolvedFlexOp)(JNIEnv* env, jclass c, jlong handle) {
  UNUSED(env), UNUSED(c), UNUSED(handle);
  return JNI_FALSE;
}

/* ---- what an interpreter holds ---- */

#define COUNT_OR_INDEX(name, extra, value)                       \
  INTERPRETER(jint, name)(JNIEnv * env, jclass c, jlong handle extra) { \
    const TfLiteInterpreter* tflite = ((Interpreter*)handle)->tflite;   \
    UNUSED(env), UNUSED(c);                                      \
    return value;                                                \
  }
#define COMMA_K , jint k
COUNT_OR_INDEX(getInputCount, , TfLiteInterpreterGetInputTensorCount(tflite))
COUNT_OR_INDEX(getOutputCount, , TfLiteInterpreterGetOutputTensorCount(tflite))
COUNT_OR_INDEX(getInputTensorIndex, COMMA_K, TfLiteInterpreterInputTensorIndices(tflite)[k])
COUNT_OR_INDEX(getOutputTensorIndex, COMMA_K, TfLiteInterpreterOutputTensorIndices(tflite)[k])

static jobjectArray names(JNIEnv* env, jlong handle, int32_t (*count)(const TfLiteInterpreter*),
                          const char* (*name)(const TfLiteInterpreter*, int32_t)) {
  const TfLiteInterpreter* tflite = ((Interpreter*)handle)->tflite;
  int32_t size = count(tflite);
  jobjectArray all =
      (*env)->NewObjectArray(env, size, (*env)->FindClass(env, "java/lang/String"), NULL);
  for (int32_t k = 0; all && k < size; k++) {
    jstring text = (*env)->NewStringUTF(env, name(tflite, k));
    (*env)->SetObjectArrayElement(env, all, k, text);
    (*env)->DeleteLocalRef(env, text);
  }
  return all;
}

static const char* input_name(const TfLiteInterpreter* tflite, int32_t k) {
  return TfLiteTensorName(TfLiteInterpreterGetInputTensor(tflite, k));
}

static const char* output_name(const TfLiteInterpreter* tflite, int32_t k) {
  return TfLiteTensorName(TfLiteInterpreterGetOutputTensor(tflite, k));
}

INTERPRETER(jobjectArray, getInputNames)(JNIEnv* env, jclass c, jlong handle) {
  UNUSED(c);
  return names(env, handle, TfLiteInterpreterGetInputTensorCount, input_name);
}

INTERPRETER(jobjectArray, getOutputNames)(JNIEnv* env, jclass c, jlong handle) {
  UNUSED(c);
  return names(env, handle, TfLiteInterpreterGetOutputTensorCount, output_name);
}

INTERPRETER(jobjectArray, getSignatureKeys)(JNIEnv* env, jclass c, jlong handle) {
  UNUSED(c);
  return names(env, handle, TfLiteInterpreterGetSignatureCount, TfLiteInterpreterGetSignatureKey);
}

/* ---- tensors ---- */

TENSOR(jlong, create)(JNIEnv* env, jclass c, jlong interpreter, jint index, jint subgraph) {
  UNUSED(c);
  if (subgraph != 0) {
    throw(env, kIllegalArgument, "the shim knows the main subgraph only", 0);
    return 0;
  }
  Tensor* made = malloc(sizeof *made);
  *made = (Tensor){.interpreter = (Interpreter*)interpreter, .index = index};
  return (jlong)made;
}

TENSOR(void, delete)(JNIEnv* env, jclass c, jlong handle) {
  UNUSED(env), UNUSED(c);
  free((void*)handle);
}

static TfLiteTensor* tensor_of(jlong handle) {
  const Tensor* tensor = (const Tensor*)handle;
  return TfLiteInterpreterGetTensor(tensor->interpreter->tflite, tensor->index);
}

TENSOR(jobject, buffer)(JNIEnv* env, jclass c, jlong handle) {
  TfLiteTensor* tensor = tensor_of(handle);
  UNUSED(c);
  return (*env)->NewDirectByteBuffer(env, TfLiteTensorData(tensor),
                                     (jlong)TfLiteTensorByteSize(tensor));
}

/* Java has checked that `source` has the tensor's size, and starts at its beginning. */
TENSOR(void, writeDirectBuffer)(JNIEnv* env, jclass c, jlong handle, jobject source) {
  TfLiteTensor* tensor = tensor_of(handle);
  UNUSED(c);
  memcpy(TfLiteTensorData(tensor), (*env)->GetDirectBufferAddress(env, source),
         TfLiteTensorByteSize(tensor));
}

TENSOR(jintArray, shape)(JNIEnv* env, jclass c, jlong handle) {
  const TfLiteTensor* tensor = tensor_of(handle);
  jsize rank = TfLiteTensorNumDims(tensor);
  jintArray shape = (*env)->NewIntArray(env, rank);
  UNUSED(c);
  for (jsize k = 0; shape && k < rank; k++) {
    jint size = TfLiteTensorDim(tensor, k);
    (*env)->SetIntArrayRegion(env, shape, k, 1, &size);
  }
  return shape;
}

/* The shape with -1 where a size is free. */
TENSOR(jintArray, shapeSignature)(JNIEnv* env, jclass c, jlong handle) {
  const TfLiteTensor* tensor = tensor_of(handle);
  int32_t rank;
  if (TfLiteOpaqueTensorGetNumDimsSignature(tensor, &rank) != kTfLiteOk || rank <= 0) {
    return Java_org_tensorflow_lite_TensorImpl_shape(env, c, handle);
  }
  jintArray shape = (*env)->NewIntArray(env, rank);
  for (int32_t k = 0; shape && k < rank; k++) {
    jint size = 0;
    TfLiteOpaqueTensorGetDimSignature(tensor, k, &size);
    (*env)->SetIntArrayRegion(env, shape, k, 1, &size);
  }
  return shape;
}

TENSOR(jstring, name)(JNIEnv* env, jclass c, jlong handle) {
  UNUSED(c);
  return (*env)->NewStringUTF(env, TfLiteTensorName(tensor_of(handle)));
}

#define PROPERTY(type, method, value)                          \
  TENSOR(type, method)(JNIEnv * env, jclass c, jlong handle) { \
    UNUSED(env), UNUSED(c);                                    \
    return value;                                              \
  }
PROPERTY(jint, dtype, TfLiteTensorType(tensor_of(handle)))
PROPERTY(jint, numBytes, (jint)TfLiteTensorByteSize(tensor_of(handle)))
PROPERTY(jint, index, ((const Tensor*)handle)->index)
PROPERTY(jfloat, quantizationScale, TfLiteTensorQuantizationParams(tensor_of(handle)).scale)
PROPERTY(jint, quantizationZeroPoint,
         TfLiteTensorQuantizationParams(tensor_of(handle)).zero_point)
PROPERTY(jboolean, hasDelegateBufferHandle, (UNUSED(handle), JNI_FALSE))

/* Copy nested arrays of float, or of byte for int8 and uint8; return the place after the last. */
static char* copy(JNIEnv* env, jobject array, int depth, int type, char* place, int to_tensor) {
  jsize size = (*env)->GetArrayLength(env, array);
  if (depth > 1) {
    for (jsize k = 0; k < size && place; k++) {
      jobject row = (*env)->GetObjectArrayElement(env, array, k);
      place = copy(env, row, depth - 1, type, place, to_tensor);
      (*env)->DeleteLocalRef(env, row);
    }
    return place;
  }
  if (type == kTfLiteFloat32) {
    if (to_tensor) {
      (*env)->GetFloatArrayRegion(env, array, 0, size, (jfloat*)place);
    } else {
      (*env)->SetFloatArrayRegion(env, array, 0, size, (const jfloat*)place);
    }
    return place + sizeof(jfloat) * (size_t)size;
  }
  if (type == kTfLiteInt8 || type == kTfLiteUInt8) {
    if (to_tensor) {
      (*env)->GetByteArrayRegion(env, array, 0, size, (jbyte*)place);
    } else {
      (*env)->SetByteArrayRegion(env, array, 0, size, (const jbyte*)place);
    }
    return place + size;
  }
  throw(env, "java/lang/UnsupportedOperationException", "an array of this type", 0);
  return NULL;
}

static void copy_all(JNIEnv* env, jlong handle, jobject array, int to_tensor) {
  TfLiteTensor* tensor = tensor_of(handle);
  copy(env, array, TfLiteTensorNumDims(tensor), TfLiteTensorType(tensor),
       TfLiteTensorData(tensor), to_tensor);
}

TENSOR(void, readMultiDimensionalArray)(JNIEnv* env, jclass c, jlong handle, jobject array) {
  UNUSED(c);
  copy_all(env, handle, array, 0);
}

TENSOR(void, writeMultiDimensionalArray)(JNIEnv* env, jclass c, jlong handle, jobject array) {
  UNUSED(c);
  copy_all(env, handle, array, 1);
}
