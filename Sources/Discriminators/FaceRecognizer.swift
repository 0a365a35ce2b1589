public import Autodiff
import Checkpoints
public import Networks
import Tensors

/// ArcFace (arXiv 1801.07698): a feature whose direction says who a face belongs to.
public struct FaceRecognizer: Sendable {
    /// Side of the aligned crop that the network sees.
    public let cropSize: Int
    private let network: ONNXNetwork

    /// Takes a recogniser.
    ///
    /// - Throws: ``DiscriminatorError`` where the network does not take square pictures and give one output.
    public init(network: ONNXNetwork) throws(DiscriminatorError) {
        let shape = network.inputShape
        guard network.inputs.count == 1, network.outputs.count == 1, shape.count == 4, shape[3] ?? 3 == 3 else {
            throw .unsuitable(
                network: "face recogniser",
                problem:
                    "it has \(network.inputs.count) inputs and \(network.outputs.count) outputs; one picture and one "
                    + "embedding are needed")
        }
        let (height, width) = (shape[1] ?? 112, shape[2] ?? 112)
        guard height == width, height > 0, height <= 1024, height % 112 == 0 || height % 128 == 0 else {
            throw .unsuitable(
                network: "face recogniser",
                problem: "crops of \(height) x \(width); multiples of 112 or 128 are aligned")
        }
        self.network = network
        cropSize = height
    }

    /// Features of faces.
    ///
    /// - Parameters:
    ///   - faces: Where they are in the picture; neither boxes nor landmarks are differentiated.
    ///   - picture: `[1, H, W, 3]` in 0...1, RGB.
    /// - Returns: `[P, C]`, not normalised.
    public func embeddings(of faces: [Face], in picture: Variable) throws(DiscriminatorError) -> Variable {
        try checkPicture(picture.shape)
        var crops: [Variable] = []
        for face in faces {
            let alignment = try FaceAlignment(points: face.points, size: cropSize)
            crops.append(
                try computing { () throws(TensorError) in
                    try picture.warped(alignment.map, height: cropSize, width: cropSize)
                })
        }
        let input = try computing { () throws(TensorError) in
            try Variable.concatenating(crops, axis: 0).scaled(by: 2, plus: -1)
        }
        let embeddings = try running { () throws(ONNXError) in try network(input) }
        guard embeddings.shape.rank > 0, embeddings.shape[0] == faces.count, embeddings.shape.count > 0 else {
            throw .unsuitable(
                network: "face recogniser", problem: "its output is \(embeddings.shape) for \(faces.count) faces")
        }
        return try computing { () throws(TensorError) in
            try embeddings.reshaped(Shape([faces.count, embeddings.shape.count / faces.count]))
        }
    }
}
