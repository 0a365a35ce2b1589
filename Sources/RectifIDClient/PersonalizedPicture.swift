public import Messages

/// A finished picture.
public struct PersonalizedPicture: Sendable, Equatable {
    /// The JPEG or PNG file.
    public var bytes: [UInt8]
    public var format: ImageFormat
    /// In pixels.
    public var width: Int
    public var height: Int
    /// What was made and how: similarity, losses, seed, times, model, worker.
    public var result: PersonalizeResult
    public var jobID: String
}
