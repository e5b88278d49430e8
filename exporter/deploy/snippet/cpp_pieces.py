"""The pieces that a program in C++ is put together from; `exporter.deploy.snippet.cpp` says when each is taken."""

HEAD = """\
// Runs a detector in ONNX Runtime: detect FILE...
// A FILE is {takes}.
// Needs the ONNX Runtime C++ API only. Written by `exporter snippet` for one artifact, from its manifest.
//   g++ -std=c++17 -O2 THIS_FILE.cpp -o detect -I ORT/include -L ORT/lib -lonnxruntime

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include <onnxruntime_cxx_api.h>

const ORTCHAR_T* MODEL = ORT_TSTR({model});
const std::vector<std::string> NAMES = {{{names}}};
const int BATCH = {batch};  // {why}
using T = {type};  // of the input
"""

SIZES = """\
const int HEIGHT = {height}, WIDTH = {width};  // what images are brought to
"""

IMAGE = """
struct Image {
    int height, width;
    std::vector<uint8_t> rgb;  // [height, width, 3]
};

// A binary PPM (P6), 8 bits a channel.
Image read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string word;
    std::vector<int> numbers;
    file >> word;
    if (word != "P6") std::exit((std::fprintf(stderr, "%s: not a binary PPM\\n", path.c_str()), 1));
    while (numbers.size() < 3 && file >> word)
        if (word[0] == '#') std::getline(file, word);
        else numbers.push_back(std::stoi(word));
    file.get();
    Image raw{numbers.at(1), numbers.at(0), std::vector<uint8_t>(3 * size_t(numbers[0]) * numbers[1])};
    file.read(reinterpret_cast<char*>(raw.rgb.data()), raw.rgb.size());
    return raw;
}
"""

ARRAY = """
// The network's own input for one image, its bytes as they lie in memory.
std::vector<T> read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const T* first = reinterpret_cast<const T*>(bytes.data());
    return std::vector<T>(first, first + bytes.size() / sizeof(T));
}
"""

RESIZE = """
// For one of the new pixels: the two old ones that it lies between, and the weight of the second, of 2048.
struct Tap { int low, high, weight; };

std::vector<Tap> axis(int old_size, int new_size) {
    std::vector<Tap> taps;
    for (int i = 0; i < new_size; ++i) {
        const float at = float((i + 0.5) * (double(old_size) / new_size) - 0.5), low = std::floor(at);
        const int weight = int(std::nearbyint((at - low) * 2048));
        taps.push_back({std::clamp(int(low), 0, old_size - 1), std::clamp(int(low) + 1, 0, old_size - 1), weight});
    }
    return taps;
}

// Bilinear, byte for byte as OpenCV's INTER_LINEAR.
Image resize(const Image& from, int height, int width) {
    Image to{height, width, std::vector<uint8_t>(3 * size_t(height) * width)};
    const auto xs = axis(from.width, width), ys = axis(from.height, height);
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x)
            for (int c = 0; c < 3; ++c) {
                const auto row = [&](int j) {
                    const uint8_t* pixels = &from.rgb[3 * size_t(j) * from.width + c];
                    return (pixels[3 * xs[x].low] * (2048 - xs[x].weight) + pixels[3 * xs[x].high] * xs[x].weight) >> 4;
                };
                const int upper = row(ys[y].low) * (2048 - ys[y].weight) >> 16;
                const int lower = row(ys[y].high) * ys[y].weight >> 16;
                to.rgb[3 * (size_t(y) * width + x) + c] = uint8_t((upper + lower + 2) >> 2);
            }
    return to;
}
"""

PLACED = """
// The input, and where the image lies in it: its corner and scales, of x and of y.
struct Placed {
    Image image;
    double corner[2], scale[2];
};
"""

FIT = """
Placed place(const Image& raw) {{
    const double r = std::min((HEIGHT - {margin}.0) / raw.height, (WIDTH - {margin}.0) / raw.width);
    const int height = std::max(1, int(std::nearbyint(raw.height * r)));
    const int width = std::max(1, int(std::nearbyint(raw.width * r)));
    const int top = {top}, left = {left};
    const Image small = resize(raw, height, width);
    Image image{{HEIGHT, WIDTH, std::vector<uint8_t>(3 * HEIGHT * WIDTH, {grey})}};
    for (int y = 0; y < height; ++y)
        std::copy_n(&small.rgb[3 * y * width], 3 * width, &image.rgb[3 * ((top + y) * WIDTH + left)]);
    return {{image, {{double(left), double(top)}}, {{double(width) / raw.width, double(height) / raw.height}}}};
}}
"""

STRETCH = """
Placed place(const Image& raw) {
    const double scale_x = double(WIDTH) / raw.width, scale_y = double(HEIGHT) / raw.height;
    return {resize(raw, HEIGHT, WIDTH), {0, 0}, {scale_x, scale_y}};
}
"""

AS_IT_IS = """
Placed place(const Image& raw) { return {raw, {0, 0}, {1, 1}}; }
"""

ENCODE = """
// One image as the artifact takes it.
std::vector<T> encode(const Image& image) {{
{constants}    const size_t area = size_t(image.height) * image.width;
    std::vector<T> values(3 * area);
    for (size_t i = 0; i < area; ++i)
        for (int c = 0; c < 3; ++c) values[{index}] = {value};
    return values;
}}
"""

NORMALIZATION = """\
    const int order[] = {{{order}}};
    const float mean[] = {{{mean}}}, std[] = {{{std}}};
"""

FROM_ARRAY = """\
        const auto& one = raw;
"""

FROM_IMAGE = """\
        const Placed placed = place(raw);
        const std::vector<T> one = encode(placed.image);
"""

PRINT = """
void print(int c, float score, const float* box, const Placed& at, const Image& raw) {
    std::printf("  %s %.4f", NAMES.at(c).c_str(), score);
    for (int i = 0; i < 4; ++i) {
        const double size = i % 2 ? raw.height : raw.width;
        std::printf(" %.1f", std::clamp((box[i] - at.corner[i % 2]) / at.scale[i % 2], 0.0, size));
    }
    std::printf("\\n");
}
"""

PRINT_AS_IS = """
void print(int c, float score, const float* box) {
    std::printf("  %s %.4f %.1f %.1f %.1f %.1f\\n", NAMES.at(c).c_str(), score, box[0], box[1], box[2], box[3]);
}
"""

# ONNX Runtime's own providers whose options are an object of the C API: their name in its functions is {name}.
NVIDIA_PROVIDER = """\
    Ort::SessionOptions options;
    Ort{type} provider = nullptr;
    Ort::ThrowOnError(Ort::GetApi().Create{name}ProviderOptions(&provider));
    const std::vector<const char*> keys = {{{keys}}}, values = {{{values}}};
    Ort::ThrowOnError(
        Ort::GetApi().Update{name}ProviderOptions(provider, keys.data(), values.data(), keys.size()));
    options.AppendExecutionProvider_{name}_V2(*provider);  // throws where it does not start
    Ort::GetApi().Release{name}ProviderOptions(provider);
"""

OPENVINO_PROVIDER = """\
    Ort::SessionOptions options;
    options.AppendExecutionProvider_OpenVINO_V2({});
"""

# Needs ONNX Runtime 1.24; the library and those beside it are in the Python package of the same name.
PLUGIN = """\
    env.RegisterExecutionProviderLibrary("{name}", ORT_TSTR("libonnxruntime_providers_nv_tensorrt_rtx.so"));
    std::vector<Ort::ConstEpDevice> devices;
    for (const auto& device : env.GetEpDevices())
        if (std::string(device.EpName()) == "{name}") devices.push_back(device);
    if (devices.empty()) std::exit((std::fprintf(stderr, "{name} finds no GPU here that it fits\\n"), 1));
    Ort::SessionOptions options;
    options.AppendExecutionProvider_V2(env, devices, Ort::KeyValuePairs());
"""

CPU = """\
    Ort::SessionOptions options;
"""

MAIN = """
int main(int argc, char** argv) {{
    Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "detect");
{options}    Ort::Session session(env, MODEL, options);
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
    const char* input = {input};
    const std::vector<const char*> outputs = {{{outputs}}};
    for (int a = 1; a < argc; ++a) {{
        const auto raw = read(argv[a]);
{prepare}        std::vector<T> values;
        for (int i = 0; i < BATCH; ++i) values.insert(values.end(), one.begin(), one.end());
        const std::vector<int64_t> shape = {{{shape}}};
        const auto tensor =
            Ort::Value::CreateTensor<T>(memory, values.data(), values.size(), shape.data(), shape.size());
        auto found = session.Run(Ort::RunOptions(), &input, &tensor, 1, outputs.data(), outputs.size());
        std::printf("%s\\n", argv[a]);
{rows}    }}
}}
"""

BATCH = """\
        // Of the first image; rows of the others follow in the same tensors.
        const {integer} count = found[0].GetTensorData<{integer}>()[0];
        const float *boxes = found[1].GetTensorData<float>(), *scores = found[2].GetTensorData<float>();
        const {integer}* classes = found[3].GetTensorData<{integer}>();
        for (int i = 0; i < count; ++i) print(int(classes[i]), scores[i], boxes + 4 * i{at});
"""

FLAT = """\
        const float* row = found[0].GetTensorData<float>();
        const int64_t count = found[0].GetTensorTypeAndShapeInfo().GetShape()[0];
        for (int i = 0; i < count; ++i, row += 7)
            if (row[0] == 0) print(int(row[6]), row[5], row + 1{at});
"""

WITHOUT_NMS = """\
        // There is no NMS in the artifact: here are the five boxes with the best scores, which may be of one object.
        const float *boxes = found[0].GetTensorData<float>(), *scores = found[1].GetTensorData<float>();
        const int count = int(found[0].GetTensorTypeAndShapeInfo().GetShape()[1]), classes = int(NAMES.size());
        const auto best = [&](int i) {{ return std::max_element(scores + i * classes, scores + (i + 1) * classes); }};
        std::vector<int> order(count);
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](int i, int j) {{ return *best(i) > *best(j); }});
        for (int k = 0; k < std::min(count, 5); ++k) {{
            const int i = order[k];
            print(int(best(i) - (scores + i * classes)), *best(i), boxes + 4 * i{at});
        }}
"""

USER_FORMAT = """\
        // What these are, the manifest or their author says.
        for (size_t i = 0; i < found.size(); ++i) {{
            std::printf("  %s [", outputs[i]);
            const auto shape = found[i].GetTensorTypeAndShapeInfo().GetShape();
            for (size_t j = 0; j < shape.size(); ++j) std::printf(j ? ", %lld" : "%lld", (long long)shape[j]);
            std::printf("]\\n");
        }}
"""
