import Autodiff
import Checkpoints
import Foundation
import Generation
import Networks
public import Raster

/// A model's encoder and decoder, to measure what is lost between them: no picture can be better than that.
public struct Autoencoder: Sendable {
    /// What a round trip does to the references.
    public struct Report: Sendable, Hashable, Codable {
        /// Peak signal-to-noise ratio in dB over all pixels and channels; at most 99.
        public let psnr: Statistic
        /// Cosine of the face before and after, by the judge; nil without one.
        public let judge: Statistic?
    }

    private let encoder: ImageEncoder
    private let decoder: ImageDecoder

    /// Loads both halves from a model's folder.
    ///
    /// - Throws: ``EvaluationError`` that names the file at fault.
    public init(model path: String) throws(EvaluationError) {
        (encoder, decoder) = try evaluating {
            let folder = try DiffusersFolder(path)
            let weights = try folder.weights(of: .decoder)
            return (
                try ImageEncoder(try folder.configuration(of: .decoder), weights),
                try ImageDecoder(try folder.configuration(of: .decoder), weights)
            )
        }
    }

    /// Encodes a picture and decodes the mean of what comes out.
    public func roundTrip(_ picture: Picture) throws(EvaluationError) -> Picture {
        try evaluating { try Picture(try decoder(try encoder(Variable(try picture.tensor()))).tensor) }
    }

    /// Measures round trips of the references at the size of the model's pictures.
    ///
    /// - Parameters:
    ///   - width: Of a picture, in pixels; a multiple of the model's factor.
    ///   - height: Likewise.
    public func report(
        _ references: some Sequence<EvaluationReference>, width: Int, height: Int, judge: Judge
    ) throws(EvaluationError) -> Report? {
        var ratios: [Statistic.Sample] = [], likenesses: [Statistic.Sample] = []
        for reference in references {
            let picture = try evaluating(reference.name) {
                try reference.picture.centered(width: width, height: height).resized(width: width, height: height)
            }
            let back = try roundTrip(picture)
            ratios.append(.init(value: picture.signalToNoise(of: back), person: reference.name, seed: 0))
            if let cosine = try judge.likeness(picture, back) {
                likenesses.append(.init(value: Double(cosine), person: reference.name, seed: 0))
            }
        }
        guard let psnr = Statistic(ratios) else { return nil }
        return Report(psnr: psnr, judge: Statistic(likenesses))
    }
}

extension Picture {
    /// Peak signal-to-noise ratio of a copy of the same size, in dB: 10 log10(255^2 / mean squared difference).
    ///
    /// - Returns: At most 99, for JSON has no infinity.
    func signalToNoise(of copy: Picture) -> Double {
        var sum = 0.0
        for (a, b) in zip(pixels, copy.pixels) {
            let difference = Double(a) - Double(b)
            sum += difference * difference
        }
        guard sum > 0 else { return 99 }
        return min(99, 10 * log10(255 * 255 * Double(pixels.count) / sum))
    }
}
