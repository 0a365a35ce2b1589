import Autodiff
import Checkpoints
public import Networks
public import Tensors

/// SCRFD (arXiv 2105.04714): finds faces and five landmarks of each.
///
/// The network has nine outputs: scores, boxes and landmarks at strides 8, 16 and 32, recognised by their numbers of
/// columns (1, 4, 10) and rows. Boxes and landmarks are distances from anchors in units of the stride, anchors stand at
/// multiples of the stride, several to a place. Nothing here is differentiated.
public struct FaceDetector: Sendable {
    /// The first threshold of the search.
    public static let firstThreshold = 0.5
    /// How far the threshold falls until there are enough faces.
    public static let thresholdStep = 0.1

    /// Side of the square that the network sees.
    public let inputSize: Int
    private let network: ONNXNetwork

    private static let strides = [8, 16, 32]

    /// Takes a detector.
    ///
    /// - Parameter inputSize: A multiple of 32, up to 4096; what the file says by default, or 640.
    /// - Throws: ``DiscriminatorError`` where the network is no SCRFD or does not take this size.
    public init(network: ONNXNetwork, inputSize: Int? = nil) throws(DiscriminatorError) {
        let shape = network.inputShape
        guard network.inputs.count == 1, shape.count == 4, network.outputs.count == 9 else {
            throw .unsuitable(
                network: "face detector",
                problem: "it has \(network.inputs.count) inputs and \(network.outputs.count) outputs; "
                    + "one picture and nine outputs are needed (an SCRFD with landmarks)")
        }
        let size = inputSize ?? shape[1] ?? 640
        guard size % 32 == 0, (32...4096).contains(size) else {
            throw .unsuitable(network: "face detector", problem: "size \(size) is no multiple of 32 up to 4096")
        }
        guard shape[1] ?? size == size, shape[2] ?? size == size else {
            throw .unsuitable(
                network: "face detector", problem: "it takes pictures of \(shape[1] ?? size) pixels, not of \(size)")
        }
        self.network = network
        self.inputSize = size
    }

    /// The `count` faces that matter in a picture.
    ///
    /// The threshold starts at 0.5 and is lowered by 0.1 until there are enough. Among more than enough the large and
    /// central ones are taken, most prominent first; exactly enough are in the order of their scores.
    ///
    /// - Parameters:
    ///   - picture: `[1, H, W, 3]` in 0...1, RGB.
    ///   - count: How many are needed.
    ///   - floor: The threshold stays above it.
    /// - Returns: Exactly `count` faces.
    /// - Throws: ``DiscriminatorError/tooFewFaces(found:needed:)``, or where the network fails.
    public func faces(in picture: Tensor, count: Int, floor: Double = 0) throws(DiscriminatorError) -> [Face] {
        let candidates = try candidates(in: picture)
        var threshold = FaceDetector.firstThreshold
        var found: [Face] = []
        while threshold > floor {
            found = candidates.suppressed(threshold: Float(threshold))
            if found.count == count { return found }
            if found.count > count {
                return found.prominent(count, width: picture.shape[2], height: picture.shape[1])
            }
            threshold -= FaceDetector.thresholdStep
        }
        throw .tooFewFaces(found: found.count, needed: count)
    }

    /// The candidate of every anchor, in pixels of the picture, before any selection.
    func candidates(in picture: Tensor) throws(DiscriminatorError) -> [Face] {
        try checkPicture(picture.shape)
        // A rectifier takes NaN for 0: the network would find faces in it.
        guard picture.withElements({ (elements) in elements.indices.allSatisfy { elements[$0].isFinite } }) else {
            throw .computation(TensorError("detect", "the picture holds infinities or NaN"))
        }
        let letterbox = try computing { () throws(TensorError) in try Letterbox(picture, size: inputSize) }
        let results = try running { () throws(ONNXError) in try network([Variable(letterbox.input)]) }
        var outputs: [Tensor] = []
        for name in network.outputs { if let result = results[name] { outputs.append(result.tensor) } }
        let scores = try levels(of: outputs, columns: 1)
        let boxes = try levels(of: outputs, columns: 4)
        let landmarks = try levels(of: outputs, columns: 10)
        var faces: [Face] = []
        for (level, stride) in FaceDetector.strides.enumerated() {
            let cells = inputSize / stride
            let anchors = scores[level].count / (cells * cells)
            let (score, box, points) = (scores[level], boxes[level], landmarks[level])
            for index in score.indices {
                let cell = index / anchors
                let x = Float(cell % cells * stride), y = Float(cell / cells * stride)
                func at(_ distance: Float, _ centre: Float) -> Float {
                    (centre + distance * Float(stride)) / letterbox.factor
                }
                faces.append(
                    Face(
                        x1: at(-box[index * 4], x), y1: at(-box[index * 4 + 1], y), x2: at(box[index * 4 + 2], x),
                        y2: at(box[index * 4 + 3], y), score: score[index],
                        points: (0..<5).map {
                            Face.Point(x: at(points[index * 10 + 2 * $0], x), y: at(points[index * 10 + 2 * $0 + 1], y))
                        }))
            }
        }
        return faces
    }

    /// The outputs of a number of columns, finest level first.
    private func levels(of outputs: [Tensor], columns: Int) throws(DiscriminatorError) -> [[Float]] {
        let matching = outputs.filter { $0.shape.rank > 0 && $0.shape[-1] == columns }
            .sorted { $0.shape.count > $1.shape.count }
        let finest = inputSize / FaceDetector.strides[0]
        let anchors = (matching.first?.shape.rows ?? 0) / (finest * finest)
        let rows = FaceDetector.strides.map { inputSize / $0 * (inputSize / $0) * anchors }
        guard anchors > 0, matching.map(\.shape.rows) == rows else {
            throw .unsuitable(
                network: "face detector",
                problem: "outputs of \(columns) columns have \(matching.map(\.shape.rows)) rows for a picture of "
                    + "\(inputSize) pixels; SCRFD at strides 8, 16 and 32 has 2 rows for each place")
        }
        return matching.map(\.elements)
    }
}
