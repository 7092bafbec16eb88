/* libort_sparse for applications that link it. Those that load it by its path need no header. */
#ifndef ORT_SPARSE_H
#define ORT_SPARSE_H

#ifdef __cplusplus
extern "C" {
#endif

/* As ONNX Runtime declares them. */
struct OrtApiBase;
struct OrtSessionOptions;
struct OrtStatus;

/* Makes SparseConv1x1 known to the sessions of these options. Returns NULL, or what went wrong,
 * which the caller releases. */
struct OrtStatus* RegisterCustomOps(struct OrtSessionOptions* options,
                                    const struct OrtApiBase* base);

#ifdef __cplusplus
}
#endif

#endif
