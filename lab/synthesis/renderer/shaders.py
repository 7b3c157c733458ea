"""GLSL sources of the head renderer; one fragment program per material.

Compiling per material keeps `discard` out of the opaque programs, so hidden pixels are never
shaded (a software rasterizer spends most of its time in the fragment program).

Flow: **shaders** -> renderer. Lengths are decimeters, colors linear until the last line.
"""

from __future__ import annotations

MATERIALS = {
    "skin": 0, "mouth": 1, "foliage": 2, "eyes": 3, "cloth": 4, "glint": 5, "fringe": 6,
}  # fmt: skip

SCENE = """
layout(std140) uniform Scene {
  mat4 view_projection; mat4 light_projection; mat4 head;
  vec4 pivot; vec4 shift; vec4 camera;
  vec4 key_direction; vec4 key_color; vec4 fill_direction; vec4 fill_color;
  vec4 ambient[4];
  vec4 mouth;  // z of the lips before the head turns, depth over which the mouth darkens
};
vec3 turned(vec3 p, float w) {
  vec3 q = mat3(head) * (p - pivot.xyz) + pivot.xyz;
  return mix(p, q, w) + shift.xyz * mix(shift.w, 1., w);
}
"""

MAIN_VERTEX = """#version 330
%(scene)s
in vec3 position; in vec3 normal; in vec2 coordinate; in float occlusion; in float head_weight;
in float inside;
out vec3 P; out vec3 N; out vec2 T; out vec3 S; out float A; out float D; out float I;
void main() {
  P = turned(position, head_weight);
  N = mix(normal, mat3(head) * normal, head_weight);
  T = coordinate; A = occlusion; D = position.z - mouth.x; I = inside;
  S = (light_projection * vec4(P, 1)).xyz * .5 + .5;
  gl_Position = view_projection * vec4(P, 1);
}"""

MAIN_FRAGMENT = """#version 330
#define MATERIAL %(material)d
#define SKIN (MATERIAL == 0)
#define MOUTH (MATERIAL == 1)
#define FOLIAGE (MATERIAL == 2)
#define EYES (MATERIAL == 3)
#define CLOTH (MATERIAL == 4)
#define GLINT (MATERIAL == 5)
#define FRINGE (MATERIAL == 6)
#define FOLIAGE_EITHER (FOLIAGE || FRINGE)
#if FRINGE
#define ALPHA t.a
#else
#define ALPHA 1.
#endif
%(scene)s
in vec3 P; in vec3 N; in vec2 T; in vec3 S; in float A; in float D; in float I;
out vec4 color;
uniform sampler2D image; uniform sampler2DShadow shadow_map;
uniform vec3 tint; uniform float roughness; uniform float bump; uniform float cut;

float lit() {
  float s = 0.;
  const float r = .0042, b = .004;
  vec3 q = vec3(S.xy, S.z - b);
  s += texture(shadow_map, q + vec3(-r, -.4 * r, 0));
  s += texture(shadow_map, q + vec3(.4 * r, -r, 0));
  s += texture(shadow_map, q + vec3(r, .4 * r, 0));
  s += texture(shadow_map, q + vec3(-.4 * r, r, 0));
  return s * .25;
}
// cheap stand-ins for pow(): the software rasterizer spends its time here
float lobe(vec3 n, vec3 h, float m) {
  return (m + 8.) / 25.13 * exp2(1.4427 * m * (dot(n, h) - 1.));
}
vec3 to_linear(vec3 c) { return c * (c * (c * .305306 + .682171) + .012523); }
vec3 to_screen(vec3 c) {
  vec3 a = sqrt(c), b = sqrt(a);
  return .585122 * a + .783140 * b - .368263 * sqrt(b);
}
float fourth(float x) { x *= x; return x * x; }

void main() {
  vec4 t = texture(image, T);
  vec3 n = normalize(N), v = normalize(camera.xyz - P);
  vec3 key = key_direction.xyz, fill = fill_direction.xyz;
#if GLINT
  if (t.a >= .6) discard;  // the clear cornea only
  vec3 r = reflect(-v, n);
  float g = pow(max(dot(r, key), 0.), 260.) * 1.2 + pow(max(dot(r, fill), 0.), 200.) * .25;
  color = vec4(vec3(1), min(g, 1.));
#else
#if EYES
  if (t.a < .6) discard;
#endif
#if FOLIAGE
  if (t.a < cut) discard;
#endif
#if FRINGE
  if (t.a >= cut || t.a < .02) discard;
#endif
#if FOLIAGE_EITHER || EYES || CLOTH
  if (dot(n, v) < 0.) n = -n;
#endif
  vec3 albedo = to_linear(t.rgb) * tint;
#if SKIN
  // the image's lightness as a height map
  float light = dot(t.rgb, vec3(.3, .6, .1));
  vec3 dx = dFdx(P), dy = dFdy(P);
  vec3 r1 = cross(dy, n), r2 = cross(n, dx);
  float det = dot(dx, r1);
  n = normalize(abs(det) * n - bump * sign(det) * (dFdx(light) * r1 + dFdy(light) * r2));
  vec3 wrap = vec3(.32, .14, .09);  // light bleeds around the terminator, red most
  float unshadowed = .04;
#else
  vec3 wrap = vec3(.05);
  float unshadowed = 0.;
#endif
  float s = lit(), nl = dot(n, key);
  vec3 direct = max((vec3(nl) + wrap) / (1. + wrap), 0.) * mix(s, 1., unshadowed);
  vec3 other = max((vec3(dot(n, fill)) + wrap) / (1. + wrap), 0.);
  vec3 around = ambient[0].rgb + ambient[1].rgb * n.x + ambient[2].rgb * n.y + ambient[3].rgb * n.z;
  around = max(around, 0.);
  float ao = A;
#if MOUTH
  ao *= mix(.06, 1., smoothstep(-mouth.y, -.02, D));
  direct *= mix(.15, 1., smoothstep(-mouth.y, -.02, D));
#endif
#if SKIN
  float cavity = mix(1., mix(.05, .7, smoothstep(-mouth.y * .7, -.04, D)), I);
  ao *= cavity; direct *= cavity;
  albedo = mix(albedo, vec3(.34, .075, .065), .8 * I);
  vec3 aoc = ao * vec3(1.3 - .3 * ao, 1., .88 + .12 * ao);  // shaded skin turns red
#elif MOUTH
  vec3 aoc = ao * vec3(1.25 - .15 * ao, 1., .78 + .12 * ao);  // so does light between lips and gums
#else
  vec3 aoc = vec3(ao);
#endif
  vec3 c = albedo * (direct * key_color.rgb + other * fill_color.rgb * aoc + around * aoc);
#if !EYES
  vec3 h = normalize(key + v);
  float m = 2. / (roughness * roughness * roughness * roughness) - 2.;
  float g = 1. - max(dot(v, h), 0.), f = .04 + .96 * g * fourth(g);
  float spec = f * lobe(n, h, m) * max(nl, 0.) * s
             + .5 * f * lobe(n, normalize(fill + v), m) * max(dot(n, fill), 0.);
#if FOLIAGE_EITHER
  spec *= .25;
#endif
#if CLOTH
  spec *= .2;
#endif
#if MOUTH
  spec *= smoothstep(-.35, -.02, D);
#endif
#if SKIN
  spec *= 1. - I;
  c += .05 * fourth(1. - max(dot(n, v), 0.)) * around * ao;
#endif
  c += spec * key_color.rgb * mix(.3, 1., ao);
#endif
  c = c * (1. + c * .12) / (1. + c * .55);  // soft shoulder
  color = vec4(to_screen(c), ALPHA);
#endif
}"""

SHADOW_VERTEX = """#version 330
%(scene)s
in vec3 position; in vec2 coordinate; in float head_weight; out vec2 T;
void main() {
  T = coordinate;
  gl_Position = light_projection * vec4(turned(position, head_weight), 1);
}"""

SHADOW_FRAGMENT = "#version 330\nvoid main() {}"

SHADOW_FRAGMENT_FOLIAGE = """#version 330
in vec2 T; uniform sampler2D image;
void main() { if (texture(image, T).a < .5) discard; }"""

BACKGROUND_VERTEX = """#version 330
in vec2 corner; out vec2 T;
void main() { T = corner * .5 + .5; gl_Position = vec4(corner, .99999, 1); }"""

BACKGROUND_FRAGMENT = """#version 330
in vec2 T; out vec4 color; uniform sampler2D image;
void main() { color = vec4(texture(image, T).rgb, 1); }"""

# Labels: where the surface point lies in the portrait, how far from its camera, which part it is.
# What belongs to the face carries FACE_MARK on top of its part.
FACE_MARK = 0.25
LABEL_VERTEX = """#version 330
%(scene)s
in vec3 position; in vec2 coordinate; in float head_weight; in float inside; in float face;
in vec3 portrait; out vec2 T; out vec3 Q; out float I; out float F;
void main() {
  T = coordinate; Q = portrait; I = inside; F = face;
  gl_Position = view_projection * vec4(turned(position, head_weight), 1);
}"""

LABEL_FRAGMENT = """#version 330
in vec2 T; in vec3 Q; in float I; in float F; out vec4 label;
uniform sampler2D image; uniform float part; uniform float least_alpha;
void main() {
  if (least_alpha > 0. && texture(image, T).a < least_alpha) discard;
  float mark = F > .5 ? %(face_mark)s : 0.;
  label = vec4(Q.xy / Q.z, Q.z, (part == 1. && I > .5 ? 2. : part) + mark);
}"""
