/* Runs a converted model once in a plain C program: no Python anywhere.
 *
 *     run_model MODEL.onnx libort_sparse.so
 *
 * Fills the input with a ramp from -1 to 1, dynamic sizes with 1, and prints the first output, one
 * number a line. The only line that an application needs for SparseConv1x1 is marked.
 * CMakeLists.txt defines ORT_SPARSE_LINKED and links the library, which is then not loaded by its
 * path. To compile without CMake, in this folder, with an unpacked release of ONNX Runtime for C in
 * $ORT:
 *
 *     cc -std=c11 -o run_model run_model.c -I"$ORT/include" -L"$ORT/lib" -lonnxruntime
 *
 * With the library alone, as in the Python wheel, which has no header, the declarations of this
 * project serve:
 *
 *     cc -std=c11 -o run_model run_model.c -I../../cython_kernels/ort libonnxruntime.so.1 */
#include <stdio.h>
#include <stdlib.h>

#if __has_include(<onnxruntime_c_api.h>)
#include <onnxruntime_c_api.h>
#else
#include "onnxruntime_abi.h"
#endif

#ifdef ORT_SPARSE_LINKED
#include <ort_sparse.h>
enum { ARGUMENTS = 2 };
#else
enum { ARGUMENTS = 3 };
#endif

static const OrtApi* ort;

static void check(OrtStatus* status) {
    if (status == NULL) return;
    fprintf(stderr, "error: %s\n", ort->GetErrorMessage(status));
    ort->ReleaseStatus(status);
    exit(1);
}

/* Creates a float tensor in `*data`, which the caller frees after the tensor. */
static OrtValue* create_ramp(const OrtSession* session, float** data) {
    OrtTypeInfo* type;
    const OrtTensorTypeAndShapeInfo* info;
    OrtMemoryInfo* memory;
    OrtValue* tensor;
    int64_t shape[8];
    size_t rank, count = 1;
    check(ort->SessionGetInputTypeInfo(session, 0, &type));
    check(ort->CastTypeInfoToTensorInfo(type, &info));
    check(ort->GetDimensionsCount(info, &rank));
    if (rank > 8) {
        fprintf(stderr, "error: the input has %zu dimensions, more than 8\n", rank);
        exit(1);
    }
    check(ort->GetDimensions(info, shape, rank));
    for (size_t i = 0; i < rank; ++i) {
        if (shape[i] < 0) shape[i] = 1;
        count *= (size_t)shape[i];
    }
    *data = malloc(count * sizeof(float));
    if (*data == NULL) exit(1);
    for (size_t i = 0; i < count; ++i) (*data)[i] = 2.0f * (float)i / (float)count - 1.0f;
    check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    check(ort->CreateTensorWithDataAsOrtValue(memory, *data, count * sizeof(float), shape, rank,
                                              ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &tensor));
    ort->ReleaseMemoryInfo(memory);
    ort->ReleaseTypeInfo(type);
    return tensor;
}

static void print_tensor(OrtValue* tensor) {
    OrtTensorTypeAndShapeInfo* info;
    size_t count;
    void* data;
    check(ort->GetTensorTypeAndShape(tensor, &info));
    check(ort->GetTensorShapeElementCount(info, &count));
    check(ort->GetTensorMutableData(tensor, &data));
    for (size_t i = 0; i < count; ++i) printf("%.9g\n", ((const float*)data)[i]);
    ort->ReleaseTensorTypeAndShapeInfo(info);
}

int main(int argc, char** argv) {
    OrtEnv* env;
    OrtSessionOptions* options;
    OrtSession* session;
    OrtAllocator* allocator;
    OrtValue* output = NULL;
    char *input_name, *output_name;
    float* data;
    if (argc != ARGUMENTS) {
        fprintf(stderr, "usage: run_model MODEL.onnx%s\n",
                ARGUMENTS == 3 ? " libort_sparse.so" : "");
        return 2;
    }
    ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    check(ort->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "run_model", &env));
    check(ort->CreateSessionOptions(&options));
#ifdef ORT_SPARSE_LINKED
    check(RegisterCustomOps(options, OrtGetApiBase())); /* all that SparseConv1x1 needs */
#else
    check(ort->RegisterCustomOpsLibrary_V2(options, argv[2])); /* all that SparseConv1x1 needs */
#endif
    check(ort->CreateSession(env, argv[1], options, &session));
    check(ort->GetAllocatorWithDefaultOptions(&allocator));
    check(ort->SessionGetInputName(session, 0, allocator, &input_name));
    check(ort->SessionGetOutputName(session, 0, allocator, &output_name));
    OrtValue* input = create_ramp(session, &data);
    check(ort->Run(session, NULL, (const char* const*)&input_name, (const OrtValue* const*)&input,
                   1, (const char* const*)&output_name, 1, &output));
    print_tensor(output);
    ort->ReleaseValue(output);
    ort->ReleaseValue(input);
    free(data);
    check(ort->AllocatorFree(allocator, input_name));
    check(ort->AllocatorFree(allocator, output_name));
    ort->ReleaseSession(session);
    ort->ReleaseSessionOptions(options);
    ort->ReleaseEnv(env);
    return 0;
}
