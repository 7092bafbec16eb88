# find_package(ort_sparse) gives the target ort_sparse::ort_sparse: the library and its header.
# ORT_SPARSE_LIBRARY is the library's path, for RegisterCustomOpsLibrary_V2.
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR NOT CMAKE_SYSTEM_PROCESSOR STREQUAL "@MACHINE@")
  set(ort_sparse_FOUND FALSE)
  set(ort_sparse_NOT_FOUND_MESSAGE
      "this libort_sparse is for Linux on @MACHINE@, but the target is ${CMAKE_SYSTEM_NAME} on ${CMAKE_SYSTEM_PROCESSOR}")
  return()
endif()

get_filename_component(_ort_sparse_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(ORT_SPARSE_LIBRARY "${_ort_sparse_prefix}/lib/libort_sparse.so")
if(NOT TARGET ort_sparse::ort_sparse)
  add_library(ort_sparse::ort_sparse SHARED IMPORTED)
  set_target_properties(ort_sparse::ort_sparse PROPERTIES
    IMPORTED_LOCATION "${ORT_SPARSE_LIBRARY}"
    IMPORTED_SONAME "libort_sparse.so"
    INTERFACE_INCLUDE_DIRECTORIES "${_ort_sparse_prefix}/include")
endif()
unset(_ort_sparse_prefix)
