public import Autodiff
public import Tensors

/// Compares the faces of pictures with those of one or several people, as RectifID does.
public struct FaceDiscriminator: Discriminator {
    /// References are searched down to this score: lower than any real face, so that a picture without one is refused.
    public static let referenceFloor = 0.05

    public let detector: FaceDetector
    public let recognizer: FaceRecognizer

    /// Each reference is one person.
    public var referenceCount: ClosedRange<Int> { 1...4 }

    public init(detector: FaceDetector, recognizer: FaceRecognizer) {
        self.detector = detector
        self.recognizer = recognizer
    }

    /// Finds the most prominent face of each reference and its feature.
    ///
    /// - Throws: ``DiscriminatorError/noFaceInReference(index:threshold:)``.
    public func comparison(with references: [Tensor]) throws(DiscriminatorError) -> any Comparison {
        try faceComparison(with: references)
    }

    /// The same, of a known type.
    public func faceComparison(with references: [Tensor]) throws(DiscriminatorError) -> FaceComparison {
        guard referenceCount.contains(references.count) else {
            throw .references(count: references.count, allowed: referenceCount)
        }
        var embeddings: [Tensor] = []
        for (index, picture) in references.enumerated() {
            let faces: [Face]
            do {
                faces = try detector.faces(in: picture, count: 1, floor: FaceDiscriminator.referenceFloor)
            } catch .tooFewFaces {
                throw .noFaceInReference(index: index, threshold: 0.1)
            }
            embeddings.append(try recognizer.embeddings(of: faces, in: Variable(picture)).tensor)
        }
        return FaceComparison(detector: detector, recognizer: recognizer, embeddings: embeddings)
    }
}

/// People whose faces are looked for in pictures.
public struct FaceComparison: Comparison {
    public let detector: FaceDetector
    public let recognizer: FaceRecognizer
    public let embeddings: [Tensor]

    public init(detector: FaceDetector, recognizer: FaceRecognizer, embeddings: [Tensor]) {
        self.detector = detector
        self.recognizer = recognizer
        self.embeddings = embeddings
    }

    /// 100 times the sum of (1 - cosine), each person compared with the face that the best assignment gives them.
    ///
    /// As many faces are looked for as there are people, with a threshold that falls to 0: early pictures are vague, and
    /// a face that is hardly one is still what the guidance has to start from.
    public func callAsFunction(_ picture: Variable) throws(DiscriminatorError) -> Judgement {
        let faces = try detector.faces(in: picture.tensor, count: embeddings.count)
        let found = try recognizer.embeddings(of: faces, in: picture)
        return try computing { () throws(TensorError) in
            var rows: [Variable] = []
            for index in faces.indices { rows.append(try found.sliced(axis: 0, index..<index + 1)) }
            var cosines: [[Float]] = []
            for embedding in embeddings {
                var line: [Float] = []
                for row in rows { line.append(try row.detached.cosine(with: Variable(embedding)).tensor.number()) }
                cosines.append(line)
            }
            let assignment = Assignment(maximizing: cosines)
            var loss = Variable(try Tensor(100 * Float(embeddings.count)))
            for (person, face) in assignment.columns.enumerated() {
                loss = try loss.subtracting(rows[face].cosine(with: Variable(embeddings[person])).scaled(by: 100))
            }
            return Judgement(
                loss: loss, similarities: assignment.columns.enumerated().map { cosines[$0.offset][$0.element] },
                details: try details(faces, found.tensor))
        }
    }

    private func details(_ faces: [Face], _ embedding: Tensor) throws(TensorError) -> [String: Tensor] {
        [
            "boxes": try Tensor(
                faces.flatMap { [$0.x1, $0.y1, $0.x2, $0.y2, $0.score] }, shape: Shape([faces.count, 5])),
            "points": try Tensor(
                faces.flatMap { $0.points.flatMap { [$0.x, $0.y] } }, shape: Shape([faces.count, 5, 2])),
            "embedding": embedding,
        ]
    }
}
