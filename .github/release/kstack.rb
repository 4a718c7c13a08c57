class Kstack < Formula
  desc "Apache Kafka on AWS, as code"
  homepage "https://github.com/REPOSITORY"
  version "VERSION"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "https://github.com/REPOSITORY/releases/download/vVERSION/kstack-VERSION-aarch64-apple-darwin.tar.gz"
      sha256 "SUM(aarch64-apple-darwin)"
    end
    on_intel do
      url "https://github.com/REPOSITORY/releases/download/vVERSION/kstack-VERSION-x86_64-apple-darwin.tar.gz"
      sha256 "SUM(x86_64-apple-darwin)"
    end
  end

  on_linux do
    on_arm do
      url "https://github.com/REPOSITORY/releases/download/vVERSION/kstack-VERSION-aarch64-unknown-linux-musl.tar.gz"
      sha256 "SUM(aarch64-unknown-linux-musl)"
    end
    on_intel do
      url "https://github.com/REPOSITORY/releases/download/vVERSION/kstack-VERSION-x86_64-unknown-linux-musl.tar.gz"
      sha256 "SUM(x86_64-unknown-linux-musl)"
    end
  end

  def install
    bin.install "kstack"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/kstack.bash" => "kstack"
    zsh_completion.install "completions/_kstack"
    fish_completion.install "completions/kstack.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/kstack --version")
  end
end
