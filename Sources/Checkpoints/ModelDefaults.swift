/// The optional `rectifid.json` of a model folder: what to use where a request does not say.
public struct ModelDefaults: Decodable, Sendable, Hashable {
    /// How far an offset reaches beyond its step's end; see `Flow`.
    public enum Gain: Decodable, Sendable, Hashable {
        case derived
        case published
        case constant(Float)
        case perStep([Float])

        public init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let word = try? container.decode(String.self) {
                switch word {
                case "derived": self = .derived
                case "published": self = .published
                default:
                    throw DecodingError.dataCorruptedError(
                        in: container,
                        debugDescription: "\(word.debugDescription) is not derived, published or a number")
                }
            } else if let number = try? container.decode(Float.self) {
                self = .constant(number)
            } else {
                self = .perStep(try container.decode([Float].self))
            }
        }
    }

    /// Name of the model, for people.
    public var name: String?
    /// Size of the picture in pixels.
    public var width: Int?
    public var height: Int?
    /// Steps of the sampler.
    public var steps: Int?
    /// Guidance iterations.
    public var iterations: Int?
    /// Step size of guidance.
    public var rate: Float?
    public var gain: Gain?
    /// Scale of classifier-free guidance.
    public var cfgScale: Float?
    /// Side of the square that the face detector sees, in pixels.
    public var detectorSize: Int?
    /// Face networks, relative to the folder.
    public var faceDetector: String?
    public var faceRecognizer: String?
    /// `piecewise` or `rectified`.
    public var flow: String?

    enum CodingKeys: String, CodingKey {
        case name, width, height, steps, iterations, rate, gain, flow
        case cfgScale = "cfg"
        case detectorSize = "detector_size"
        case faceDetector = "face_detector"
        case faceRecognizer = "face_recognizer"
    }

    /// Nothing said.
    public init() {}

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decodeIfPresent(String.self, forKey: .name)
        width = try container.count(.width, in: 8...8192)
        height = try container.count(.height, in: 8...8192)
        steps = try container.count(.steps, in: 1...1000)
        iterations = try container.count(.iterations, in: 0...10_000)
        rate = try container.decodeIfPresent(Float.self, forKey: .rate)
        gain = try container.decodeIfPresent(Gain.self, forKey: .gain)
        cfgScale = try container.decodeIfPresent(Float.self, forKey: .cfgScale)
        detectorSize = try container.count(.detectorSize, in: 32...4096)
        faceDetector = try container.decodeIfPresent(String.self, forKey: .faceDetector)
        faceRecognizer = try container.decodeIfPresent(String.self, forKey: .faceRecognizer)
        flow = try container.decodeIfPresent(String.self, forKey: .flow)
    }
}

extension KeyedDecodingContainer {
    /// A whole number within a range; nil where the key is absent.
    fileprivate func count(_ key: Key, in range: ClosedRange<Int>) throws -> Int? {
        guard let value = try decodeIfPresent(Int.self, forKey: key) else { return nil }
        guard range.contains(value) else {
            throw DecodingError.dataCorruptedError(
                forKey: key, in: self,
                debugDescription: "\(value) is not within \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }
}
