/* A C application with the execution provider, on the ONNX Runtime of this file:
 *
 *     provider_host ORDER libonnxruntime.so libort_sparse.so MODEL.onnx REPORT.json
 *
 * ORDER says what it does first and how it ends:
 *   two-lines    registers the custom ops, which bring the provider along
 *   late         the same, and creates the environment only then
 *   explicit     appends the provider, without custom ops; options go before the session
 *   unregister   the same, and unregisters the library before the last run
 * Runs the model twice on a ramp of 1x32x14x14 from -1 to 1; prints the second output, one number a
 * line, or the message of what failed. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ort/onnxruntime_abi.h"

enum { CHANNELS = 32, SIDE = 14, COUNT = CHANNELS * SIDE * SIDE };

static const OrtApi* ort;
static OrtEnv* env;
static OrtSessionOptions* options;
static OrtSession* session;

static void check(OrtStatus* status) {
    if (status == NULL) return;
    fprintf(stderr, "error: %s\n", ort->GetErrorMessage(status));
    ort->ReleaseStatus(status);
    exit(1);
}

static const OrtApi* load_runtime(const char* path) {
    void* library = dlopen(path, RTLD_NOW);
    const OrtApiBase* (*get_base)(void) = NULL;
    if (library != NULL) *(void**)&get_base = dlsym(library, "OrtGetApiBase");
    if (get_base == NULL) {
        fprintf(stderr, "error: %s\n", dlerror());
        exit(2);
    }
    const char* version = get_base()->GetVersionString();
    int minor = atoi(strchr(version, '.') + 1);
    return get_base()->GetApi((uint32_t)(minor < 24 ? minor : 24));
}

static void append_provider(const char* library) {
    const OrtEpDevice* const* devices;
    const OrtEpDevice* ours = NULL;
    size_t count;
    const char *key = "regions", *value = "all";
    check(ort->RegisterExecutionProviderLibrary(env, "ort_sparse", library));
    check(ort->GetEpDevices(env, &devices, &count));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(ort->EpDevice_EpName(devices[i]), "OrtSparseExecutionProvider") == 0) {
            ours = devices[i];
        }
    }
    if (ours == NULL) {
        fprintf(stderr, "error: there is no such device\n");
        exit(1);
    }
    check(ort->SessionOptionsAppendExecutionProvider_V2(options, env, &ours, 1, &key, &value, 1));
}

static void run(float* x, float* y) {
    static const int64_t dims[] = {1, CHANNELS, SIDE, SIDE};
    static const char *const input = "X", *const output = "Y";
    OrtMemoryInfo* memory;
    OrtValue *x_value, *y_value;
    const size_t bytes = COUNT * sizeof(float);
    check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    check(ort->CreateTensorWithDataAsOrtValue(memory, x, bytes, dims, 4,
                                              ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &x_value));
    check(ort->CreateTensorWithDataAsOrtValue(memory, y, bytes, dims, 4,
                                              ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &y_value));
    check(
        ort->Run(session, NULL, &input, (const OrtValue* const*)&x_value, 1, &output, 1, &y_value));
    ort->ReleaseValue(x_value);
    ort->ReleaseValue(y_value);
    ort->ReleaseMemoryInfo(memory);
}

int main(int argc, char** argv) {
    static float x[COUNT], y[COUNT];
    if (argc != 6) return 2;
    const char *order = argv[1], *library = argv[3];
    int is_late = strcmp(order, "late") == 0, unregisters = strcmp(order, "unregister") == 0;
    int is_explicit = unregisters || strcmp(order, "explicit") == 0;
    for (int i = 0; i < COUNT; i++) x[i] = 2.0f * (float)i / (float)COUNT - 1.0f;
    ort = load_runtime(argv[2]);
    if (!is_late) check(ort->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "provider_host", &env));
    check(ort->CreateSessionOptions(&options));
    check(ort->AddSessionConfigEntry(options, "ort_sparse.regions", "all"));
    check(ort->AddSessionConfigEntry(options, "ort_sparse.regions_report", argv[5]));
    if (is_explicit) {
        append_provider(library);
    } else {
        check(ort->RegisterCustomOpsLibrary_V2(options, library));
    }
    if (is_late) check(ort->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "provider_host", &env));
    check(ort->CreateSession(env, argv[4], options, &session));
    run(x, y);
    if (is_explicit) ort->ReleaseSessionOptions(options);
    if (unregisters) check(ort->UnregisterExecutionProviderLibrary(env, "ort_sparse"));
    run(x, y);
    ort->ReleaseSession(session);
    if (!is_explicit) ort->ReleaseSessionOptions(options);
    ort->ReleaseEnv(env);
    for (int i = 0; i < COUNT; i++) printf("%.9g\n", y[i]);
    return 0;
}
