/* zim-vk-coop-private.h: cooperative matrices, which a subgroup holds and multiplies together
 *
 * VK_KHR_cooperative_matrix and VK_KHR_shader_bfloat16 are younger than the headers that we build with: what of them we
 * need is declared here where it is missing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#define VK_NO_PROTOTYPES
#include <glib.h>
#include <vulkan/vulkan.h>

G_BEGIN_DECLS

#ifndef VK_KHR_cooperative_matrix
#define VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME "VK_KHR_cooperative_matrix"
#define VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR ((VkStructureType) 1000506000)
#define VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR ((VkStructureType) 1000506001)
#define VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_PROPERTIES_KHR ((VkStructureType) 1000506002)

typedef enum {
  VK_COMPONENT_TYPE_FLOAT16_KHR = 0,
  VK_COMPONENT_TYPE_FLOAT32_KHR = 1,
  VK_COMPONENT_TYPE_MAX_ENUM_KHR = 0x7fffffff,
} VkComponentTypeKHR;

typedef enum {
  VK_SCOPE_SUBGROUP_KHR = 3,
  VK_SCOPE_MAX_ENUM_KHR = 0x7fffffff,
} VkScopeKHR;

typedef struct {
  VkStructureType    sType;
  void              *pNext;
  guint32            MSize;
  guint32            NSize;
  guint32            KSize;
  VkComponentTypeKHR AType;
  VkComponentTypeKHR BType;
  VkComponentTypeKHR CType;
  VkComponentTypeKHR ResultType;
  VkBool32           saturatingAccumulation;
  VkScopeKHR         scope;
} VkCooperativeMatrixPropertiesKHR;

typedef struct {
  VkStructureType sType;
  void           *pNext;
  VkBool32        cooperativeMatrix;
  VkBool32        cooperativeMatrixRobustBufferAccess;
} VkPhysicalDeviceCooperativeMatrixFeaturesKHR;

typedef struct {
  VkStructureType    sType;
  void              *pNext;
  VkShaderStageFlags cooperativeMatrixSupportedStages;
} VkPhysicalDeviceCooperativeMatrixPropertiesKHR;

typedef VkResult (VKAPI_PTR *PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR) (
  VkPhysicalDevice device, guint32 *n, VkCooperativeMatrixPropertiesKHR *properties);
#endif

#ifndef VK_KHR_shader_bfloat16
#define VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME "VK_KHR_shader_bfloat16"
#define VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR ((VkStructureType) 1000141000)
#define VK_COMPONENT_TYPE_BFLOAT16_KHR ((VkComponentTypeKHR) 1000141000)

typedef struct {
  VkStructureType sType;
  void           *pNext;
  VkBool32        shaderBFloat16Type;
  VkBool32        shaderBFloat16DotProduct;
  VkBool32        shaderBFloat16CooperativeMatrix;
} VkPhysicalDeviceShaderBfloat16FeaturesKHR;
#endif

/* sums[rows][cols] += a[rows][k] · b[k][cols], sums in f32; no rows: the device has none */
typedef struct {
  guint rows;
  guint cols;
  guint k;
} ZimVkMatrix;

/* What a device has of them. */
typedef struct {
  ZimVkMatrix f16;
  ZimVkMatrix bf16;
  guint       subgroup_size; /* of the subgroups that they belong to */
  gboolean    sets_size;     /* a pipeline must ask for that size */
} ZimVkCoop;

G_END_DECLS
