/* Runs the fuzzer's target on files instead of on mutations, where there is no libFuzzer.
 *
 * Usage: replay_graphs FILE ...
 */
#include <stdio.h>

#include "graph_case.h"

int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size);

int main(int argc, char** argv) {
    for (int i = 1; i < argc; i++) {
        uint8_t bytes[4096];
        FILE* file = fopen(argv[i], "rb");
        if (file == NULL) {
            fprintf(stderr, "replay_graphs: %s cannot be read\n", argv[i]);
            return 2;
        }
        const size_t size = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        LLVMFuzzerTestOneInput(bytes, size);
    }
    printf("replay_graphs: %d graphs, %ld numbers were right\n", argc - 1,
           graph_compared_numbers());
    return 0;
}
