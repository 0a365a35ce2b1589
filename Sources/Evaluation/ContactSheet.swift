public import Raster

/// Many pictures in one: a row per person, its reference, then unguided and guided for each prompt.
public struct ContactSheet: Sendable {
    /// Where tiles lie, in pixels.
    public struct Geometry: Sendable, Hashable {
        public let people, prompts: Int
        /// Pictures per prompt: 2, or 1 where nothing is guided.
        public let perPrompt: Int
        /// Of one tile.
        public let tileWidth, tileHeight: Int

        /// Between the pictures of one prompt, and between prompts and around.
        static let gap = 2, margin = 10
        /// Small pictures are enlarged by a whole factor to about this width.
        static let comfortableWidth = 128
        /// Of the sheet: what encoders and viewers take without effort.
        static let largestSide = 16_000, mostPixels = 24_000_000

        /// - Parameters:
        ///   - width: Of a picture, in pixels.
        ///   - height: Likewise.
        public init(people: Int, prompts: Int, isGuided: Bool, width: Int, height: Int) {
            (self.people, self.prompts) = (max(1, people), max(1, prompts))
            perPrompt = isGuided ? 2 : 1
            let factor = max(1, Geometry.comfortableWidth / max(1, width))
            let columns = Double(1 + self.prompts * perPrompt) * Double(width * factor)
            let rows = Double(self.people) * Double(height * factor)
            let fits = min(
                1, Double(Geometry.largestSide) * 0.9 / max(columns, rows),
                (Double(Geometry.mostPixels) * 0.9 / (columns * rows)).squareRoot())
            tileWidth = max(1, Int(Double(width * factor) * fits))
            tileHeight = max(1, Int(Double(height * factor) * fits))
        }

        public var width: Int {
            let group = perPrompt * tileWidth + (perPrompt - 1) * Geometry.gap
            return Geometry.margin + tileWidth + Geometry.margin + prompts * (group + Geometry.margin)
        }

        public var height: Int {
            Geometry.margin + people * (tileHeight + Geometry.gap) - Geometry.gap + Geometry.margin
        }

        /// The upper left corner of a reference's tile.
        public func reference(of person: Int) -> (x: Int, y: Int) {
            (Geometry.margin, Geometry.margin + person * (tileHeight + Geometry.gap))
        }

        /// The upper left corner of a picture's tile.
        public func tile(person: Int, prompt: Int, isGuided: Bool) -> (x: Int, y: Int) {
            let (x, y) = reference(of: person)
            let group = perPrompt * (tileWidth + Geometry.gap) - Geometry.gap + Geometry.margin
            let second = isGuided && perPrompt == 2 ? tileWidth + Geometry.gap : 0
            return (x + tileWidth + Geometry.margin + prompt * group + second, y)
        }
    }

    public let geometry: Geometry
    private var pixels: [UInt8]

    /// A white sheet.
    public init(_ geometry: Geometry) {
        self.geometry = geometry
        pixels = [UInt8](repeating: 255, count: geometry.width * geometry.height * 3)
    }

    /// Puts a reference in front of its row.
    ///
    /// - Throws: `PictureError` where the picture cannot be resized.
    public mutating func place(reference: Picture, person: Int) throws(PictureError) {
        let shape = (width: geometry.tileWidth, height: geometry.tileHeight)
        put(
            try reference.centered(width: shape.width, height: shape.height)
                .resized(width: shape.width, height: shape.height),
            at: geometry.reference(of: person))
    }

    /// Puts a picture where it belongs.
    mutating func place(_ picture: Picture, person: Int, prompt: Int, _ isGuided: Bool) throws(PictureError) {
        let grows = picture.width < geometry.tileWidth
        let tile = try picture.resized(
            width: geometry.tileWidth, height: geometry.tileHeight, by: grows ? .nearest : .bilinear)
        put(tile, at: geometry.tile(person: person, prompt: prompt, isGuided: isGuided))
    }

    private mutating func put(_ tile: Picture, at corner: (x: Int, y: Int)) {
        guard corner.x + tile.width <= geometry.width, corner.y + tile.height <= geometry.height else { return }
        for row in 0..<tile.height {
            let from = row * tile.width * 3, to = ((corner.y + row) * geometry.width + corner.x) * 3
            pixels.replaceSubrange(to..<to + tile.width * 3, with: tile.pixels[from..<from + tile.width * 3])
        }
    }

    /// The sheet as it stands.
    ///
    /// - Throws: `PictureError` where it has more pixels a side than a picture can have.
    public func picture() throws(PictureError) -> Picture {
        try Picture(width: geometry.width, height: geometry.height, pixels: pixels)
    }
}

extension Picture {
    /// The largest part from the middle with the proportions of `width` to `height`.
    func centered(width: Int, height: Int) throws(PictureError) -> Picture {
        let wide = min(self.width, max(1, self.height * width / max(1, height)))
        let high = min(self.height, max(1, self.width * height / max(1, width)))
        return try cropped(x: (self.width - wide) / 2, y: (self.height - high) / 2, width: wide, height: high)
    }
}
